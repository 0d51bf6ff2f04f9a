/** Options and positional arguments of one command, in the forms that Kong's parser takes. */
import { nearestName } from '../base/nearest-name.ts'
import { CliError, type Command, type Invocation, type OptionDefinition } from './command.ts'

export type ParsedArguments =
  | { readonly kind: 'run'; readonly invocation: Invocation }
  | { readonly kind: 'help' }
  /** Kong prints usage and leaves. */
  | { readonly kind: 'no-subcommand' }
  | { readonly kind: 'unknown-subcommand'; readonly name: string }

export function parseArguments(command: Command, given: readonly string[]): ParsedArguments {
  const options: Record<string, string> = {}
  const words: string[] = []
  for (let at = 0; at < given.length; at++) {
    const argument = given[at]!
    if (argument === '--help' || argument === '-h') return { kind: 'help' }
    if (argument === '--') {
      words.push(...given.slice(at + 1))
      break
    }
    if (!argument.startsWith('-') || argument === '-') {
      words.push(argument)
      continue
    }
    const { name, definition, attached } = findOption(command, argument)
    if (definition.value === undefined) {
      if (attached !== null) throw new CliError(`option --${name} takes no value`)
      options[name] = ''
      continue
    }
    const value = attached ?? given[++at]
    if (value === undefined) throw new CliError(`option --${name} needs a value: ${definition.value}`)
    const before = definition.repeats === true ? options[name] : undefined
    options[name] = (before === undefined ? '' : `${before}\n`) + checkValue(name, definition, value)
  }
  return command.subcommands === undefined
    ? { kind: 'run', invocation: { subcommand: null, positionals: checkCount(command, words), options } }
    : splitSubcommand(command, words, options)
}

function splitSubcommand(command: Command, words: readonly string[], options: Record<string, string>): ParsedArguments {
  const [first, ...positionals] = words
  if (first === undefined) return { kind: 'no-subcommand' }
  // Kong takes `db-export` for `db_export`.
  const name = Object.keys(command.subcommands ?? {}).find(
    one => one.replaceAll('-', '_') === first.replaceAll('-', '_'),
  )
  if (name === undefined) return { kind: 'unknown-subcommand', name: first }
  return { kind: 'run', invocation: { subcommand: name, positionals, options } }
}

interface FoundOption {
  readonly name: string
  readonly definition: OptionDefinition
  /** Given as `--name=value` or `-cvalue`. */
  readonly attached: string | null
}

function findOption(command: Command, argument: string): FoundOption {
  if (argument.startsWith('--')) {
    const equals = argument.indexOf('=')
    const name = argument.slice(2, equals < 0 ? undefined : equals).replaceAll('_', '-')
    const definition = command.options[name]
    if (definition !== undefined) return { name, definition, attached: equals < 0 ? null : argument.slice(equals + 1) }
  } else {
    for (const [name, definition] of Object.entries(command.options)) {
      if (definition.short !== argument[1]) continue
      const rest = argument.slice(2)
      return { name, definition, attached: rest === '' ? null : rest.replace(/^=/, '') }
    }
  }
  const near = nearestName(argument.replace(/^-+|=.*$/g, ''), Object.keys(command.options))
  const hint = near === null ? '' : `; did you mean --${near}?`
  throw new CliError(`unknown option '${argument.split('=')[0]}' for 'kong ${command.name}'${hint}`)
}

function checkValue(name: string, definition: OptionDefinition, value: string): string {
  if (definition.numberFrom === undefined) return value
  if (/^\d{1,9}(\.\d+)?$/.test(value) && Number(value) >= definition.numberFrom) return value
  throw new CliError(`option --${name} has an invalid value: '${value}' (a number from ${definition.numberFrom})`)
}

function checkCount(command: Command, words: readonly string[]): readonly string[] {
  const most = command.positionals?.length ?? 0
  if (words.length > most) throw new CliError(`unexpected argument '${words[most]}' for 'kong ${command.name}'`)
  return words
}
