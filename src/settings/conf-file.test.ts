/** Kong's file syntax, line by line, and that what is written is read back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/random.ts'
import { formatConfEntry, parseConfFile } from './conf-file.ts'

const LINES: readonly [line: string, expected: readonly [name: string, text: string] | 'nothing' | 'unreadable'][] = [
  ['a = b', ['a', 'b']],
  ['a=b', ['a', 'b']],
  ['  a\t=  b c  ', ['a', 'b c']],
  ['a = b # comment', ['a', 'b']],
  ['a = b#comment', ['a', 'b']],
  ['a = b\\#c # comment', ['a', 'b#c']],
  ['a = \\#', ['a', '#']],
  ['a =', ['a', '']],
  ['a = # only a comment', ['a', '']],
  ['a = x=y=z', ['a', 'x=y=z']],
  ['a = "quoted"', ['a', '"quoted"']],
  ['a = one, two', ['a', 'one, two']],
  ['# a = b', 'nothing'],
  ['   ', 'nothing'],
  ['; a = b', 'nothing'],
  ['a b', 'unreadable'],
  ['= b', 'unreadable'],
  ['[section]', 'unreadable'],
]

for (const [line, expected] of LINES) {
  test(`parseConfFile() reads ${JSON.stringify(line)}`, () => {
    const { entries, unreadable } = parseConfFile(`${line}\n`)
    const found = entries.map(({ name, text }) => [name, text])
    assert.deepEqual(found, Array.isArray(expected) ? [expected] : [])
    assert.deepEqual(unreadable, expected === 'unreadable' ? [1] : [])
  })
}

test('parseConfFile() takes the last of two lines, counts lines, and bears any line ending', () => {
  const { entries } = parseConfFile('\uFEFFa = 1\r\nb = 2\ra = 3')
  assert.deepEqual(entries, [
    { name: 'b', text: '2', line: 2 },
    { name: 'a', text: '3', line: 3 },
  ])
})

test('formatConfEntry() writes what parseConfFile() reads back, whatever the text', () => {
  const seed = Math.floor(performance.now() * 1000)
  const random = seededRandom(seed)
  const letters = ['a', '#', '\\', ' ', '=', ',', ';', '"', 'é', '\t', '{', '}', ':']
  for (let round = 0; round < 2000; round++) {
    const text = Array.from(
      { length: Math.floor(random.next() * 12) },
      () => letters[Math.floor(random.next() * letters.length)],
    ).join('')
    // A backslash directly before an octothorpe has no notation of its own in Kong's syntax.
    const writable = text.replaceAll(/\\+(?=#)/g, '').trim()
    const { entries } = parseConfFile(formatConfEntry('name', writable))
    assert.deepEqual(
      entries,
      [{ name: 'name', text: writable, line: 1 }],
      `seed ${seed}, text ${JSON.stringify(writable)}`,
    )
  }
})
