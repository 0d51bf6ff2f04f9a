/** Paths and URLs, and the route paths among them. Each `…Error` returns what is wrong, or null. */
import { compileAnchoredRegex } from '../base/rust-regex.ts'

/** RFC 3986 pchar, sub-delims, `/` and `%`. */
const PATH = /^\/[A-Za-z0-9.\-_~/%:@!$&'()*+,;=]*$/

function percentError(path: string): string | null {
  const at = path.search(/%(?![0-9A-Fa-f]{2})/)
  return at < 0 ? null : `invalid url-encoded value: '${path.slice(at, at + 3)}'`
}

export function pathError(path: string): string | null {
  if (!PATH.test(path)) {
    return `invalid path: '${path}' (characters outside of the reserved list of RFC 3986 found)`
  }
  return percentError(path)
}

/** A prefix (`/…`, in normal form) or a regular expression (`~/…`). */
export function routePathError(path: string): string | null {
  if (path.startsWith('~')) return routeRegexError(path.slice(1))
  // Kong tests the encoding only of paths within the character set, the rest by comparing with the normal form.
  if (PATH.test(path)) {
    const error = percentError(path)
    if (error !== null) return error
  }
  const normalized = normalizePath(path)
  return path === normalized ? null : `non-normalized path, consider use '${normalized}' instead`
}

/** Judged by the rules of the router's engine. Kong asks PCRE first, hence the text. */
export function routeRegexError(pattern: string): string | null {
  try {
    compileAnchoredRegex(pattern)
    return null
  } catch (error) {
    return `invalid regex: '${pattern}' (PCRE returned: ${(error as Error).message})`
  }
}

/** Percent-encoded characters that need not be are decoded, the others in upper case; dot segments and `//` resolved. */
export function normalizePath(path: string): string {
  if (path === '' || path === '/') return path
  let text = path
  if (text.includes('%')) text = decodeUnreserved(text)
  if (!text.includes('.') && !text.includes('//')) return text
  return removeDotSegments(text.replace(/\/{2,}/g, '/'))
}

function decodeUnreserved(text: string): string {
  const bytes = Buffer.from(text, 'utf8').toString('latin1')
  const decoded = bytes.replace(/%([0-9A-Fa-f]{2})/g, (whole, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16))
    return "!*'();:@&=+$,/?%#[]".includes(char) ? whole.toUpperCase() : char
  })
  return Buffer.from(decoded, 'latin1').toString('utf8')
}

/** RFC 3986 5.2.4. */
function removeDotSegments(path: string): string {
  const output: string[] = []
  const segments = path.split('/')
  const last = segments.length - 1
  for (const [at, segment] of segments.entries()) {
    if (segment === '.' || segment === '..') {
      if (segment === '..' && output.length > 1) output.pop()
      if (at === last) output.push('')
    } else {
      output.push(segment)
    }
  }
  const joined = output.join('/')
  return joined === '' ? '/' : joined
}

export interface ParsedUrl {
  readonly scheme: string | null
  readonly host: string | null
  readonly port: string | null
  readonly path: string | null
}

/** Splits as LuaSocket does: loosely, judging nothing; null only for an empty text. */
export function parseUrl(url: string): ParsedUrl | null {
  if (url === '') return null
  let rest = url.replace(/#.*$/s, '')
  const scheme = /^([A-Za-z0-9][A-Za-z0-9+\-.]*):/.exec(rest)
  if (scheme !== null) rest = rest.slice(scheme[0].length)
  let authority: string | null = null
  const slashes = /^\/\/([^/?]*)/.exec(rest)
  if (slashes !== null) {
    authority = slashes[1]!
    rest = rest.slice(slashes[0].length)
  }
  rest = rest.replace(/\?.*$/s, '').replace(/;.*$/s, '')
  const { host, port } = splitAuthority(authority)
  return { scheme: scheme?.[1]?.toLowerCase() ?? null, host, port, path: rest === '' ? null : rest }
}

function splitAuthority(authority: string | null): { host: string | null; port: string | null } {
  if (authority === null) return { host: null, port: null }
  const text = authority.slice(authority.lastIndexOf('@') + 1)
  const match = /:([^:\]]*)$/.exec(text)
  const port = match === null || match[1] === '' ? null : match[1]!
  const host = match === null ? text : text.slice(0, match.index)
  return { host: host === '' ? null : host.replace(/^\[(.*)\]$/, '$1'), port }
}

export function urlError(url: string): string | null {
  const parsed = parseUrl(url)
  if (parsed === null) return 'could not parse url. invalid url'
  if (parsed.host === null) return 'missing host in url'
  if (parsed.scheme === null) return 'missing scheme in url'
  return null
}
