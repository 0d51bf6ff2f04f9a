/** Options and positional arguments, in all forms that Kong takes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseArguments } from './arguments.ts'
import type { Command } from './command.ts'

const command: Command = {
  name: 'sample',
  description: 'A sample.',
  positionals: ['[<file>]'],
  options: {
    conf: { short: 'c', value: 'FILE', description: '' },
    timeout: { short: 't', value: 'SECONDS', description: '', numberFrom: 1 },
    yes: { short: 'y', description: '' },
    'db-timeout': { value: 'SECONDS', description: '' },
  },
  run: async () => 0,
}
const { positionals: _, ...rest } = command
const withSubcommands: Command = { ...rest, subcommands: { db_export: { description: '' } } }

const GOOD: readonly [given: string, options: Record<string, string>, positionals: string[]][] = [
  ['', {}, []],
  ['-c a.conf', { conf: 'a.conf' }, []],
  ['-ca.conf', { conf: 'a.conf' }, []],
  ['--conf a.conf x', { conf: 'a.conf' }, ['x']],
  ['--conf=a=b', { conf: 'a=b' }, []],
  ['x -y -t 5', { yes: '', timeout: '5' }, ['x']],
  ['-- -y', {}, ['-y']],
  ['--db_timeout 3', { 'db-timeout': '3' }, []],
  ['-c -y', { conf: '-y' }, []],
]
for (const [given, options, positionals] of GOOD) {
  test(`parseArguments() reads '${given}'`, () => {
    const parsed = parseArguments(command, given.split(' ').filter(Boolean))
    assert.deepEqual(parsed, { kind: 'run', invocation: { subcommand: null, positionals, options } })
  })
}

const BAD: readonly [given: string, message: RegExp][] = [
  ['--config a', /^unknown option '--config' for 'kong sample'; did you mean --conf\?$/],
  ['-x', /^unknown option '-x' for 'kong sample'$/],
  ['-c', /^option --conf needs a value: FILE$/],
  ['--yes=1', /^option --yes takes no value$/],
  ['-t 0', /^option --timeout has an invalid value: '0' \(a number from 1\)$/],
  ['-t abc', /^option --timeout has an invalid value: 'abc'/],
  ['a b', /^unexpected argument 'b' for 'kong sample'$/],
  ['--password=secret', /^unknown option '--password' for 'kong sample'$/],
]
for (const [given, message] of BAD) {
  test(`parseArguments() refuses '${given}'`, () => {
    assert.throws(() => parseArguments(command, given.split(' ')), { name: 'CliError', message })
  })
}

test('parseArguments() finds sub-commands with dashes or underscores, and tells missing and unknown ones apart', () => {
  for (const name of ['db_export', 'db-export']) {
    const parsed = parseArguments(withSubcommands, [name, 'f', '-y'])
    assert.deepEqual(parsed, {
      kind: 'run',
      invocation: { subcommand: 'db_export', positionals: ['f'], options: { yes: '' } },
    })
  }
  assert.deepEqual(parseArguments(withSubcommands, []), { kind: 'no-subcommand' })
  assert.deepEqual(parseArguments(withSubcommands, ['x']), { kind: 'unknown-subcommand', name: 'x' })
  assert.deepEqual(parseArguments(withSubcommands, ['x', '--help']), { kind: 'help' })
})
