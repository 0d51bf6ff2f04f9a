/** The quick reader of YAML against the whole grammar: where it does not give up, both read the same. */
import assert from 'node:assert/strict'
import type { Random } from '../src/base/random.ts'
import { readPlainYaml } from '../src/declarative/plain-yaml.ts'
import { parseAnyYaml } from '../src/declarative/yaml.ts'
import { pick } from '../test/kit/random-json.ts'

export const name = 'plain-yaml'

const PIECES = [
  'a',
  'name:',
  'b: ',
  ' ',
  '  ',
  '\n',
  '\n  ',
  '\n- ',
  '- ',
  '-',
  ': ',
  ':',
  '[',
  ']',
  ', ',
  ',',
  '"',
  "'",
  '\\',
  '#',
  ' # x',
  '~',
  'yes',
  '0x1F',
  '1.5',
  '-1',
  '12:30',
  'http://a.b/c',
  '{}',
  '[]',
  '---\n',
  '...',
  '|',
  '&a',
  '*a',
  '<<:',
  '!!str ',
  '%',
  '?',
  'é',
  '=',
  '/x y',
  '__proto__: ',
]

/** Text that is mostly well formed: entries of what is under `indent`. */
function block(random: Random, indent: number, depth: number): string {
  const pad = ' '.repeat(indent)
  const isList = random.next() < 0.4
  let text = ''
  for (let i = 0; i < 1 + Math.floor(random.next() * 3); i++) {
    const lead = isList ? '- ' : `${pick(random, ['k', 'name', '"q r"', "'s'", 'x.y/z-1'])}${i}: `
    const nested = depth < 4 && random.next() < 0.5
    if (isList && nested && random.next() < 0.5) text += `${pad}- ${block(random, indent + 2, depth + 1).trimStart()}`
    else if (nested)
      text += `${pad}${lead.trimEnd()}\n${block(random, indent + pick(random, [0, 1, 2, 2, 2]), depth + 1)}`
    else text += `${pad}${lead}${scalar(random)}\n`
    if (random.next() < 0.1) text += pick(random, ['\n', `${pad}# said\n`, '   \n'])
  }
  return text
}

const scalar = (random: Random) =>
  Array.from({ length: 1 + Math.floor(random.next() * 4) }, () => pick(random, PIECES))
    .join('')
    .replaceAll('\n', '')

export function run(random: Random, isOver: () => boolean): number {
  let count = 0
  let read = 0
  for (; !isOver(); count++) {
    const pieces = () => Array.from({ length: 1 + Math.floor(random.next() * 20) }, () => pick(random, PIECES)).join('')
    const text = random.next() < 0.5 ? pieces() : block(random, 0, 0)
    const quick = readPlainYaml(text)
    if (quick === null) continue
    read++
    assert.deepEqual(quick.value, parseAnyYaml(text), JSON.stringify(text))
  }
  assert.ok(count < 1000 || read > count / 20, `only ${read} of ${count} texts were read at all`)
  return count
}
