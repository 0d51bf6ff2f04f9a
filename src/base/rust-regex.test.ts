/** What of Rust's regex syntax means what in JavaScript, what is refused, and that no pattern takes for ever. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LinearRegex } from './linear-regex.ts'
import { seededRandom } from './random.ts'
import { backtrackingLengthMax } from './regex-ambiguity.ts'
import { parseRegex } from './regex-syntax.ts'
import { compileAnchoredRegex, compileRustRegex, RegexSyntaxError } from './rust-regex.ts'

/** Pattern, text, and what it matches in it (null: nothing). */
const MATCHES: readonly (readonly [pattern: string, text: string, match: string | null])[] = [
  ['/a\\d+', '/a12', '/a12'],
  ['/(?P<name>\\w+)', '/abc', '/abc'],
  ['/(?<name>\\w+)', '/abc', '/abc'],
  ['/a.b', '/a\nb', null],
  ['/a.b', '/a\rb', '/a\rb'],
  ['(?s)/a.b', '/a\nb', '/a\nb'],
  ['(?i)/AbC', '/aBc', '/aBc'],
  ['/a(?i)b|c', 'C', 'C'],
  ['/a(?i:b)c', '/aBc', '/aBc'],
  ['/a(?i:b)c', '/aBC', null],
  ['(?i)[a-f]+x', 'CAFEX', 'CAFEX'],
  ['(?i)(?-i:a)b', 'aB', 'aB'],
  ['/[[:alpha:]]+', '/ab1', '/ab'],
  ['/[^[:digit:]]', '/1', null],
  ['[]a]+', ']a', ']a'],
  ['[^]a]+', 'b]', 'b'],
  ['[a\\-z]+', 'a-z', 'a-z'],
  ['[a-]+', '-a', '-a'],
  ['\\Aa\\z', 'a', 'a'],
  ['\\Aa\\z', 'a\n', null],
  ['/a/*', '/a///', '/a///'],
  ['/\\-\\_\\@\\~\\:\\!', '/-_@~:!', '/-_@~:!'],
  ['a]b}', 'a]b}', 'a]b}'],
  ['a{2,3}?', 'aaa', 'aa'],
  ['(a+)*', 'aaa', 'aaa'],
  ['a+*', 'aaa', 'aaa'],
  ['a{2}{2}', 'aaaaa', 'aaaa'],
  ['\\x41\\x{42}\\u0043', 'ABC', 'ABC'],
  ['/é', '/é', '/é'],
  ['^/.$', '/é', '/é'],
  ['^[é😀]$', '😀', '😀'],
  ['^..$', '😀', '😀'],
  ['\\pL+', 'añb1', 'añb'],
  ['\\p{Greek}+', 'λx', 'λ'],
  ['\\P{Lu}', 'A', null],
  ['a|b||c', 'c', ''],
  ['\\.well-known', '.well-known', '.well-known'],
  ['(?m)^b$', 'a\nb', 'b'],
  ['\\bfoo\\b', 'a foo b', 'foo'],
]

for (const [pattern, text, match] of MATCHES)
  test(`compileRustRegex() lets ${JSON.stringify(pattern)} match ${JSON.stringify(match)} in ${JSON.stringify(text)}`, () => {
    assert.equal(compileRustRegex(pattern).regex.exec(text)?.[0] ?? null, match)
  })

const REFUSED: readonly (readonly [pattern: string, message: RegExp])[] = [
  ['(?=a)', /look-around/],
  ['(?!a)', /look-around/],
  ['(?<=a)b', /look-around/],
  ['(a)\\1', /back references/],
  ['(a', /unclosed group/],
  ['a)', /unopened group/],
  ['[a', /unexpected end/],
  ['a\\', /unexpected end/],
  ['*a', /nothing to repeat/],
  ['(|*)', /nothing to repeat/],
  ['a{,3}', /'\{' must begin/],
  ['a{', /'\{' must begin/],
  ['a{2000}', /above 1000/],
  ['(?:(?:x?){1000}){1000}y', /nested repetitions/],
  ['(a{100}b(c{200})){200}', /nested repetitions/],
  ['a{100}{101}', /nested repetitions/],
  ['[z-a]', /out of order/],
  ['[a-z&&[^b]]', /not supported/],
  ['[a[bc]]', /not supported/],
  ['(?x)a b', /flag 'x'/],
  ['\\q', /unknown escape/],
  ['\\p{Nonsense}', /property/i],
  ['(?P<1a>x)', /not supported/],
  ['(?<a>x)(?<a>y)', /duplicate/i],
  [`${'('.repeat(200)}${')'.repeat(200)}`, /nested groups/],
  ['a'.repeat(10_000), /longer than/],
]

for (const [pattern, message] of REFUSED)
  test(`compileRustRegex() refuses ${JSON.stringify(pattern.slice(0, 30))}`, () => {
    assert.throws(() => compileRustRegex(pattern), message)
  })

const PREFIXES: readonly (readonly [pattern: string, prefix: string])[] = [
  ['/users/(\\d+)', '/users/'],
  ['/users', '/users'],
  ['/a|/b', ''],
  ['/ab?c', '/a'],
  ['/ab*', '/a'],
  ['/ab{0,2}', '/a'],
  ['/ab+c', '/ab'],
  ['/a\\.b/[x]', '/a.b/'],
  ['/a$', '/a'],
  ['(?i)/a', '/'],
  ['/(a)b', '/'],
  ['.*', ''],
  ['/a\\b', '/a'],
  ['/a(b|c)', '/a'],
  ['/😀?', '/'],
]

for (const [pattern, prefix] of PREFIXES)
  test(`literalPrefix of ${JSON.stringify(pattern)} is ${JSON.stringify(prefix)}`, () => {
    assert.equal(compileAnchoredRegex(pattern).literalPrefix, prefix)
  })

test('compileAnchoredRegex() anchors the first alternative only, as Kong does by writing ^ before the pattern', () => {
  const { regex } = compileAnchoredRegex('/a|/b')
  assert.equal(regex.exec('/x/b')?.[0], '/b')
  assert.equal(regex.exec('/x/a'), null)
})

/** Patterns for which a backtracking engine takes years, or seconds; `w` is what it takes them for. */
const HOSTILE: readonly (readonly [pattern: string, w: string])[] = [
  ['^(a+)+$', 'a'],
  ['^(?i)(a+)+$', 'a'],
  ['^([a-z]+\\w*)*$', 'a'],
  ['^(a|a)*$', 'a'],
  ['^(?:(?<n>a*)*)*$', 'a'],
  ['^/(.*)*x$', 'a'],
  ['^/(a|aa)+$', 'a'],
  ['^/(a{1,17})+$', 'a'],
  ['^/(?:a?){30}a{30}$', 'a'],
  ['^/(?:a?b?)*c', 'ab'],
  ['^/a*a*a*a*a*b', 'a'],
  ['^/(.*)/(.*)/(.*)/(.*)x', '/a'],
  ['a*b', 'a'],
  ['\\d+x|\\w+y', '1'],
  ['(é+)+x', 'é'],
  ['(\\pL+)+!x', 'a'],
  ['(?m)^(a+\\n?)+b', 'a\n'],
  ['^/(x+x+)+y', 'x'],
  ['^(?s).*a.*b.*c.*d.*e', 'abcd'],
]

for (const [pattern, word] of HOSTILE)
  test(`compileRustRegex() keeps ${pattern} from backtracking for ever`, () => {
    const { regex } = compileRustRegex(pattern)
    // As long as a request line may be. Without bounds this would not end.
    const text = `/${word.repeat(8190 / word.length)}!`
    assert.equal(regex.exec(text), null)
  })

const GROWTH: readonly (readonly [pattern: string, lengthMax: number])[] = [
  // Linear: one way to go on at each character, few choices, or one open loop with a bounded rest.
  ['^/users/(\\d+)/profile$', Number.POSITIVE_INFINITY],
  ['^/[^/]+/[^/]+/[a-f0-9]{8}-[a-f0-9]{4}$', Number.POSITIVE_INFINITY],
  ['^/files/(.*)\\.(?:png|jpg)$', Number.POSITIVE_INFINITY],
  ['^/\\d+/.*', Number.POSITIVE_INFINITY],
  ['^/(foo|foobar)/x', Number.POSITIVE_INFINITY],
  ['^/(?:a/)*b', Number.POSITIVE_INFINITY],
  ['abc|[d-f]x', Number.POSITIVE_INFINITY],
  // Two loops, or one that is tried at each character.
  ['^/(.*)/(.*)x', 2048],
  ['a*b', 2048],
  ['^/.*x.*y.*z', 161],
  // Nothing can be said.
  ['^(a+)+$', 0],
  ['^(?:a|ab)*c', 0],
  ['^(?:a*)*', 0],
  ['^(?:a?){9}b', 0],
]

for (const [pattern, lengthMax] of GROWTH)
  test(`backtrackingLengthMax() of ${pattern} is ${lengthMax}`, () => {
    assert.equal(backtrackingLengthMax(parseRegex(new RegExp(pattern))), lengthMax)
  })

test('LinearRegex answers as the engine of JavaScript does', () => {
  const seed = Number(process.env['SEED'] ?? 23)
  const random = seededRandom(seed)
  const below = (n: number) => Math.floor(random.next() * n)
  const one = <T>(list: readonly T[]) => list[below(list.length)]!
  const atoms = ['a', 'b', '.', '[ab]', '[^a]', '\\w', '\\d', '\\.', '\\b', '^', '$', 'é', '']
  const pattern = (depth: number): string => {
    const parts = Array.from({ length: 1 + below(3) }, () => {
      if (depth === 0 || below(3) > 0) {
        const atom = one(atoms)
        return /^(?:|\\b|[$^])$/.test(atom)
          ? atom
          : atom + one(['', '', '*', '+', '?', '{1,2}', '*?', '+?', '{2}', '??'])
      }
      const [open, inner] = [one(['(', '(?:', `(?<n${below(1e6)}>`]), pattern(depth - 1)]
      // Rounds that match nothing are no rounds in JavaScript, and they are in Rust.
      const bare = inner.replaceAll('\\b', '').replace(/(?<!\[)[$^]/g, '')
      return `${open}${inner})${new RegExp(`^(?:${bare})$`).test('') ? '' : one(['', '*', '+', '{1,3}', '*?'])}`
    })
    return parts.join(one(['', '', '|']))
  }
  for (let i = 0; i < 4000; i++) {
    const source = pattern(3)
    const flags = one(['', 'u', 'm'])
    const theirs = new RegExp(source, flags)
    const ours = LinearRegex.compile(parseRegex(theirs))
    const text = Array.from({ length: below(9) }, () => one([...'aab.1é\n'])).join('')
    const about = `SEED=${seed} /${source}/${flags} on ${JSON.stringify(text)}`
    const expected = theirs.exec(text)
    const found = ours!.exec(text)
    assert.deepEqual(found && [found.index, found[0]], expected && [expected.index, expected[0]], about)
    // A repeated group forgets, in JavaScript alone, what it captured in the round before.
    if (expected !== null && !/\)[*+{]/.test(source)) assert.deepEqual([...found!], [...expected], about)
  }
})

test('compileRustRegex() compiles or refuses whatever it is given, and every match begins with literalPrefix', () => {
  const seed = Number(process.env['SEED'] ?? 11)
  const random = seededRandom(seed)
  const pieces = [
    ...'ab/.*+?|()[]{}^$\\-,2 é😀&~',
    '(?i)',
    '(?:',
    '(?P<n>',
    '\\d',
    '{1,2}',
    '[a-b]',
    '[^/]',
    '\\.',
    '(?-i)',
    '[[:alpha:]]',
  ]
  const text = (from: readonly string[], max: number) =>
    Array.from({ length: Math.floor(random.next() * max) }, () => from[Math.floor(random.next() * from.length)]).join(
      '',
    )
  let compiled = 0
  for (let i = 0; i < 20_000; i++) {
    const pattern = text(pieces, 9)
    try {
      const { regex, literalPrefix } = compileRustRegex(pattern)
      compiled++
      for (let j = 0; j < 3; j++) {
        const match = regex.exec(literalPrefix.slice(0, 2) + text([...'abA/B.2é -'], 6))
        const about = `SEED=${seed} ${JSON.stringify({ pattern, match: match?.[0], literalPrefix })}`
        assert.ok(match === null || match[0].startsWith(literalPrefix), about)
      }
    } catch (error) {
      assert.ok(error instanceof RegexSyntaxError, `SEED=${seed} ${pattern}: ${error}`)
    }
  }
  assert.ok(compiled > 2000)
})
