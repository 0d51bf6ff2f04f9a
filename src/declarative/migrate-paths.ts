/** Files of formats 1.1 and 2.1 knew a regex path by its characters; since 3.0 it begins with `~`. */
import { isObject } from '../schema/defaults.ts'
import { normalizePath } from '../schema/uri-formats.ts'

const RESERVED = "!#$%&'()*+,/:;=?@[]"
const REGEX_META = '.^-{}\\|'

export function migratePath(path: string): string {
  // Kong's test is anchored at the start only, so that it looks at the whole path from its first character on.
  if (/^[a-zA-Z0-9.\-_~/%]*$/.test(path)) return normalizePath(path)
  return '~' + decodeInRegex(path)
}

/** Percent-encoding was decoded before matching; what is decoded now must keep its meaning inside a regex. */
function decodeInRegex(regex: string): string {
  const bytes = Buffer.from(regex, 'utf8').toString('latin1')
  const decoded = bytes.replace(/%([0-9A-Fa-f]{2})/g, (whole, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16))
    if (RESERVED.includes(char)) return whole.toUpperCase()
    return REGEX_META.includes(char) ? `\\${char}` : char
  })
  return Buffer.from(decoded, 'latin1').toString('utf8')
}

/** A document in the current format; the given one is not changed. */
export function migrateDocument(document: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const version = document['_format_version']
  if (version !== '1.1' && version !== '2.1') return document
  const services = document['services']
  return {
    ...document,
    _format_version: '3.0',
    ...(Array.isArray(document['routes']) && { routes: document['routes'].map(migrateRoute) }),
    ...(Array.isArray(services) && {
      services: services.map(service =>
        isObject(service) && Array.isArray(service['routes'])
          ? { ...service, routes: service['routes'].map(migrateRoute) }
          : service,
      ),
    }),
  }
}

function migrateRoute(route: unknown): unknown {
  if (!isObject(route) || !Array.isArray(route['paths'])) return route
  return { ...route, paths: route['paths'].map(path => (typeof path === 'string' ? migratePath(path) : path)) }
}
