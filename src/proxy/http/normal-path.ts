/** Request paths in the one form that routes are matched against, and back into a form that may be sent. */

/** Decoding these would change what the URI means (RFC 3986 section 2.2). */
const RESERVED = new Set([..."!*'();:@&=+$,/?%#[]"].map(character => character.charCodeAt(0)))

/**
 * Percent-decodes everything but reserved characters, removes dot segments, merges slashes (proxy.md 2). Text is
 * latin1: one character per byte. Paths that are normal already, nearly all, are returned as they are.
 */
export function normalizePath(path: string): string {
  if (isNormal(path)) return path
  const decoded = path.includes('%') ? path.replace(/%[0-9a-fA-F]{2}/g, decodeTriplet) : path
  if (!decoded.includes('.') && !decoded.includes('//')) return decoded
  return removeDotSegments(decoded)
}

function isNormal(path: string): boolean {
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i)
    if (code === 37) return false
    // Only a slash or a dot right behind a slash can need work.
    if (code === 47 && i + 1 < path.length) {
      const next = path.charCodeAt(i + 1)
      if (next === 47 || next === 46) return false
    }
  }
  return true
}

function decodeTriplet(triplet: string): string {
  const code = Number.parseInt(triplet.slice(1), 16)
  return RESERVED.has(code) ? triplet.toUpperCase() : String.fromCharCode(code)
}

function removeDotSegments(path: string): string {
  const segments = path.split('/')
  const kept: string[] = []
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i]!
    const isLast = i === segments.length - 1
    if (segment === '..') kept.pop()
    else if (segment !== '.' && segment !== '') kept.push(segment)
    // A trailing slash, dot or dot-dot names a directory, which ends in a slash.
    if (isLast && (segment === '' || segment === '.' || segment === '..')) kept.push('')
  }
  return `/${kept.join('/')}`
}

/** Percent-encodes what may not stand in a request target; what is encoded already stays (Kong's `escape`). */
export function escapePath(path: string): string {
  return /[^!#$&'()*+,/:;=?@[\]A-Za-z0-9\-_.~%]/.test(path)
    ? path.replace(/[^!#$&'()*+,/:;=?@[\]A-Za-z0-9\-_.~%]/g, encodeByte)
    : path
}

function encodeByte(character: string): string {
  const hex = character.charCodeAt(0).toString(16).toUpperCase()
  return hex.length === 1 ? `%0${hex}` : `%${hex}`
}

/**
 * Whether the path of a target is one that nginx takes: every `%` begins an escape, none escapes NUL, and it does not
 * climb above the root, not even for a server that takes `%2F` for a slash.
 */
export function isValidPath(path: string): boolean {
  if (path.includes('%') && /%(?![0-9a-fA-F]{2})|%00/.test(path)) return false
  if (!path.includes('.') && !/%2e/i.test(path)) return true
  let depth = 0
  for (const segment of path.replace(/%2e/gi, '.').replace(/%2f/gi, '/').split('/')) {
    if (segment === '..') depth--
    else if (segment !== '.' && segment !== '') depth++
    if (depth < 0) return false
  }
  return true
}
