/** Compares the origin of a request with a list of origins and regular expressions, with Kong's rules. */
import { compileTimedRegex } from '../base/timed-regex.ts'

/** An entry with any other character is a regular expression. */
const plainOrigin = /^[A-Za-z0-9.:/-]+$/

export function isPlainOrigin(entry: string): boolean {
  return plainOrigin.test(entry)
}

/** What is wrong with an entry, or null. */
export function originError(entry: string): string | null {
  if (entry === '*') return null
  try {
    compileTimedRegex(entry)
    return null
  } catch {
    return `'${entry}' is not a valid regex`
  }
}

/** The normalized origin if an entry matches it, else null. */
export type OriginMatcher = (origin: string) => string | null

export function createOriginMatcher(entries: readonly string[]): OriginMatcher {
  const matchers = entries.map(entry => {
    if (isPlainOrigin(entry)) {
      const { domain } = normalizeOrigin(entry)
      return (origin: NormalOrigin) => origin.domain === domain
    }
    // Early Kong versions did not anchor; an entry that anchors itself must still work.
    const start = entry.startsWith('^') ? entry.slice(1) : entry
    const regex = compileTimedRegex(`^(?:${start.endsWith('$') ? start : `${start}$`})`)
    const byHost = !entry.includes(':')
    return (origin: NormalOrigin) => regex.exec(byHost ? origin.host : origin.domain) !== null
  })
  return text => {
    const origin = normalizeOrigin(text)
    return matchers.some(matches => matches(origin)) ? origin.domain : null
  }
}

interface NormalOrigin {
  /** `scheme://host[:port]`, without a default port; anything else as it is. */
  readonly domain: string
  readonly host: string
}

function normalizeOrigin(text: string): NormalOrigin {
  const match = /^(?:([A-Za-z0-9][A-Za-z0-9+.-]*):)?\/\/(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)(?::([^/?#]*))?/.exec(text)
  if (match === null || match[2] === '') return { domain: text, host: text }
  const [, scheme, host, port] = match
  const isDefault = (scheme === 'http' && port === '80') || (scheme === 'https' && port === '443')
  return { domain: `${scheme ? `${scheme}://` : ''}${host}${port && !isDefault ? `:${port}` : ''}`, host: host! }
}
