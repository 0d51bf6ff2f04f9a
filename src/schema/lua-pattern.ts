/**
 * Lua patterns as regular expressions.
 *
 * Schemas publish their patterns in Lua's notation (`GET /schemas/*`), so that is how they are written; here they
 * become something JavaScript can run. Back references, `%b` and `%f` do not occur in schemas.
 */

const CLASSES: Readonly<Record<string, string>> = {
  a: 'A-Za-z',
  c: '\\u0000-\\u001f\\u007f',
  d: '0-9',
  l: 'a-z',
  p: '!-\\/:-@\\[-`{-~',
  s: '\\t-\\r ',
  u: 'A-Z',
  w: 'A-Za-z0-9',
  x: '0-9A-Fa-f',
  z: '\\u0000',
}

const compiled = new Map<string, RegExp>()

export function luaPattern(pattern: string): RegExp {
  let regex = compiled.get(pattern)
  if (regex === undefined) {
    regex = translate(pattern)
    compiled.set(pattern, regex)
  }
  return regex
}

function translate(pattern: string): RegExp {
  let out = ''
  let at = 0
  while (at < pattern.length) {
    const char = pattern[at]!
    if (char === '^' && at === 0) out += '^'
    else if (char === '$' && at === pattern.length - 1) out += '$'
    else if (char === '%') out += percentEscape(pattern[++at] ?? '%', false)
    else if (char === '[') {
      const end = endOfSet(pattern, at)
      out += translateSet(pattern.slice(at + 1, end))
      at = end
    } else if (char === '-') out += '*?'
    else if (char === '.') out += '[^]'
    else if ('*+?()'.includes(char)) out += char
    else out += literal(char)
    at++
  }
  return new RegExp(out)
}

function literal(char: string): string {
  return /[\\^$.*+?()[\]{}|/-]/.test(char) ? '\\' + char : char
}

function percentEscape(char: string, inSet: boolean): string {
  const lower = CLASSES[char.toLowerCase()]
  if (lower === undefined) return literal(char)
  const negated = char !== char.toLowerCase()
  if (inSet && !negated) return lower
  return negated ? `[^${lower}]` : `[${lower}]`
}

/** A `]` right after `[` or `[^` is a member. */
function endOfSet(pattern: string, start: number): number {
  let at = start + 1
  if (pattern[at] === '^') at++
  if (pattern[at] === ']') at++
  while (at < pattern.length && pattern[at] !== ']') at += pattern[at] === '%' ? 2 : 1
  return at
}

function translateSet(body: string): string {
  let out = '['
  let at = 0
  if (body[0] === '^') {
    out += '^'
    at = 1
  }
  while (at < body.length) {
    const char = body[at]!
    if (char === '%') out += percentEscape(body[++at] ?? '%', true)
    else if (body[at + 1] === '-' && at + 2 < body.length && body[at + 2] !== '%') {
      out += `${literal(char)}-${literal(body[at + 2]!)}`
      at += 2
    } else out += literal(char)
    at++
  }
  return out + ']'
}
