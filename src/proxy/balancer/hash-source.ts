/** What of a request is hashed: `hash_on` of the upstream and its fallback, compiled to one function. */
import type { Row } from '../../entities/config.ts'
import type { HashInput } from './balancer.ts'

/** The text to hash; '' when the request has none of it, so that all such requests go to one target. */
export type HashSource = (input: HashInput) => string

type Part = (input: HashInput) => string | null | undefined

export function compileHashSource(upstream: Row): HashSource {
  const first = compilePart(upstream, 'hash_on')
  const second = compilePart(upstream, 'hash_fallback')
  return input => first(input) ?? second(input) ?? ''
}

function compilePart(upstream: Row, field: 'hash_on' | 'hash_fallback'): Part {
  const named = (what: string) => String(upstream[`${field}_${what}`])
  switch (upstream[field]) {
    case 'consumer':
      return input => input.consumerId ?? input.credentialId
    case 'ip':
      return input => input.clientIp
    case 'path':
      return input => decodedPath(input.path)
    case 'header': {
      const name = named('header')
      return input => input.header(name)
    }
    case 'query_arg': {
      const name = named('query_arg')
      return input => bytesOf(input.query(name))
    }
    case 'uri_capture': {
      const name = named('uri_capture')
      return input => input.capture(name)
    }
    case 'cookie': {
      const name = String(upstream['hash_on_cookie'])
      const path = String(upstream['hash_on_cookie_path'] ?? '/')
      return input => input.cookie(name) ?? input.issueCookie(name, path)
    }
    default:
      return () => null
  }
}

/** Query arguments are decoded text; what is hashed is their bytes. */
function bytesOf(text: string | undefined): string | undefined {
  return text === undefined || /^[ -~]*$/.test(text) ? text : Buffer.from(text).toString('latin1')
}

/** nginx's `$uri`: every escape undone, and what that makes of slashes and dots resolved. Bytes as latin1. */
function decodedPath(path: string): string {
  if (!path.includes('%')) return path
  const text = path.replace(/%[0-9a-fA-F]{2}/g, triplet => String.fromCharCode(Number.parseInt(triplet.slice(1), 16)))
  const parts: string[] = []
  const segments = text.split('/')
  for (const segment of segments) {
    if (segment === '..') parts.pop()
    else if (segment !== '' && segment !== '.') parts.push(segment)
  }
  const last = segments.at(-1)!
  const isFolder = last === '' || last === '.' || last === '..'
  return parts.length === 0 ? '/' : `/${parts.join('/')}${isFolder ? '/' : ''}`
}
