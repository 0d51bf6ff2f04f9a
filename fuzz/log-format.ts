/**
 * Formats of access logs, whole and damaged: refused with a reason or taken, never a crash; what was taken names known
 * variables only, and written down again in another way it means the same.
 */
import assert from 'node:assert/strict'
import { type LogFormat, LOG_VARIABLE_FAMILIES, LOG_VARIABLES, parseLogFormat } from '../src/base/log-format.ts'
import type { Random } from '../src/base/random.ts'

export const name = 'log-format'

const FRAGMENTS: readonly string[] = [
  ...LOG_VARIABLES.map(variable => `$${variable}`),
  ...LOG_VARIABLE_FAMILIES.map(family => `\${${family}x_y}`),
  "'",
  '"',
  "' '",
  '\\',
  "\\'",
  '\\\\',
  '$',
  '${',
  '}',
  '$$status',
  '$no_such',
  '$http_',
  ' ',
  ';',
  '\n',
  'text',
  'ä円',
  '\0',
  'escape=json ',
  'escape=xml ',
]

export function run(random: Random, isOver: () => boolean): number {
  let count = 0
  for (; !isOver(); count++) check(makeInput(random))
  return count
}

function makeInput(random: Random): string {
  const pick = (list: readonly string[]) => list[Math.floor(random.next() * list.length)]!
  let text = pick(['mine ', 'mine escape=json ', 'mine escape=none ', 'my-own\t', ''])
  const quote = pick(["'", '"', ''])
  text += quote
  const length = 1 + Math.floor(random.next() * 10)
  for (let i = 0; i < length; i++) text += pick(FRAGMENTS)
  return text + (random.next() < 0.9 ? quote : '')
}

function check(text: string): void {
  const parsed = parseLogFormat(text)
  if (!parsed.ok) {
    assert.ok(parsed.error.length > 0, JSON.stringify(text))
    return
  }
  const { format } = parsed
  for (const part of format.parts) {
    if (typeof part === 'string') continue
    const isFamily = (LOG_VARIABLE_FAMILIES as readonly string[]).includes(part.variable)
    const isKnown = isFamily ? part.argument !== '' : (LOG_VARIABLES as readonly string[]).includes(part.variable)
    assert.ok(isKnown && (isFamily || part.argument === ''), `${JSON.stringify(part)} of ${JSON.stringify(text)}`)
  }
  const again = parseLogFormat(written(parsed.name, format))
  assert.deepEqual(again, parsed, `written down again: ${JSON.stringify(text)}`)
}

/** Each part in quotes of its own. */
function written(formatName: string, format: LogFormat): string {
  const texts = format.parts.map(part =>
    typeof part === 'string' ? `'${part.replace(/['\\]/g, '\\$&')}'` : `"\${${part.variable}${part.argument}}"`,
  )
  return `${formatName} escape=${format.escape} ${texts.join(' ')}`
}
