/** Upstreams: virtual host names whose traffic is balanced over targets. */
import { defineEntity, type ShorthandField } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import type { Fields } from '../schema/field.ts'
import { parseHost } from '../schema/host-formats.ts'
import * as typedefs from '../schema/typedefs.ts'

function upstreamNameError(name: string): string | null {
  const prefix = name.includes('\ufffd') ? 'Invalid name' : `Invalid name ('${name}')`
  const parsed = parseHost(name)
  if (typeof parsed === 'string') return `${prefix}; must be a valid hostname`
  if (parsed.kind !== 'name') return `${prefix}; no ip addresses allowed`
  return parsed.port === null ? null : `${prefix}; no port allowed`
}

const HASH_INPUTS = ['none', 'consumer', 'ip', 'header', 'cookie', 'path', 'query_arg', 'uri_capture'] as const
const hashOn = () => field.string({ default: 'none', one_of: HASH_INPUTS })
const hashName = () => field.string({ len_min: 1 })

const statuses = (defaults: readonly number[]) =>
  field.array(field.integer({ between: [100, 999] }), { default: defaults })
const seconds = (value: number) => field.number({ default: value, between: [0, 65535] })
const count = () => field.integer({ default: 0, between: [0, 255] })
const checkType = () => field.string({ one_of: ['tcp', 'http', 'https', 'grpc', 'grpcs'], default: 'http' })

const OK_STATUSES = [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308]

/** Shows the defaults of the members as the default of the whole too, as Kong's schema does. */
function recordWithDefaults<F extends Fields>(fields: F) {
  const entries = Object.entries(fields).filter(([, member]) => member.default !== undefined)
  return field.record(fields, { default: Object.fromEntries(entries.map(([name, member]) => [name, member.default])) })
}

const active = recordWithDefaults({
  type: checkType(),
  timeout: seconds(1),
  concurrency: field.integer({ default: 10, between: [1, 2 ** 31] }),
  http_path: typedefs.path({ default: '/' }),
  https_sni: typedefs.sni({ required: false }),
  https_verify_certificate: field.boolean({ default: true, required: true }),
  headers: field.extend(typedefs.headers(), { required: false }),
  healthy: recordWithDefaults({ interval: seconds(0), http_statuses: statuses([200, 302]), successes: count() }),
  unhealthy: recordWithDefaults({
    interval: seconds(0),
    http_statuses: statuses([429, 404, 500, 501, 502, 503, 504, 505]),
    tcp_failures: count(),
    timeouts: count(),
    http_failures: count(),
  }),
})
const passive = recordWithDefaults({
  type: checkType(),
  healthy: recordWithDefaults({ http_statuses: statuses(OK_STATUSES), successes: count() }),
  unhealthy: recordWithDefaults({
    http_statuses: statuses([429, 500, 503]),
    tcp_failures: count(),
    timeouts: count(),
    http_failures: count(),
  }),
})

/** `hash_on` implies the algorithm and the other way round, whichever is sent; later wins. */
const algorithmShorthand: ShorthandField = {
  name: 'algorithm',
  field: { type: 'string' },
  expand: value =>
    value === 'least-connections' || value === 'latency' ? { algorithm: value, hash_on: null } : { algorithm: value },
}
const hashOnShorthand: ShorthandField = {
  name: 'hash_on',
  field: { type: 'string' },
  expand(value) {
    if (value === null) return { hash_on: 'none' }
    return { hash_on: value, algorithm: value === 'none' ? 'round-robin' : 'consistent-hashing' }
  },
}

const needs = (if_field: string, value: string, then_field: string) => ({
  conditional: { if_field, if_match: { match: `^${value}$` }, then_field, then_match: { required: true } },
})
const allowsFallbacks = (value: string, one_of: readonly string[]) => ({
  conditional: {
    if_field: 'hash_on',
    if_match: { match: `^${value}$` },
    then_field: 'hash_fallback',
    then_match: { one_of },
  },
})

export const upstreams = defineEntity({
  name: 'upstreams',
  endpoint_key: 'name',
  fields: {
    id: field.id(),
    created_at: typedefs.autoTimestampS(),
    name: field.string({
      required: true,
      unique: true,
      custom_validator: upstreamNameError,
      description: 'The `host` of services that use it.',
    }),
    updated_at: typedefs.autoTimestampS(),
    algorithm: field.string({
      default: 'round-robin',
      one_of: ['consistent-hashing', 'least-connections', 'round-robin', 'latency'],
      description: 'How a target is chosen.',
    }),
    hash_on: hashOn(),
    hash_fallback: hashOn(),
    hash_on_header: field.headerName(),
    hash_fallback_header: field.headerName(),
    hash_on_cookie: typedefs.cookieName(),
    hash_on_cookie_path: typedefs.path({ default: '/' }),
    hash_on_query_arg: hashName(),
    hash_fallback_query_arg: hashName(),
    hash_on_uri_capture: hashName(),
    hash_fallback_uri_capture: hashName(),
    slots: field.integer({ default: 10_000, between: [10, 65_536], description: 'Size of the wheel.' }),
    healthchecks: field.record(
      { active, passive, threshold: field.number({ default: 0, between: [0, 100] }) },
      { default: { active: active.default as object, passive: passive.default as object } },
    ),
    tags: typedefs.tags(),
    host_header: typedefs.hostWithOptionalPort(),
    client_certificate: field.foreign('certificates', { description: 'Shown to the targets.' }),
    use_srv_name: field.boolean({ default: false, description: 'Use the names of SRV records as host.' }),
  },
  entity_checks: [
    needs('hash_on', 'header', 'hash_on_header'),
    needs('hash_fallback', 'header', 'hash_fallback_header'),
    needs('hash_on', 'cookie', 'hash_on_cookie'),
    needs('hash_fallback', 'cookie', 'hash_on_cookie'),
    allowsFallbacks('none', ['none']),
    allowsFallbacks('cookie', ['none']),
    allowsFallbacks('consumer', ['none', 'ip', 'header', 'cookie', 'path', 'query_arg', 'uri_capture']),
    allowsFallbacks('ip', ['none', 'consumer', 'header', 'cookie', 'path', 'query_arg', 'uri_capture']),
    allowsFallbacks('path', ['none', 'consumer', 'header', 'cookie', 'query_arg', 'ip', 'uri_capture']),
    { distinct: ['hash_on_header', 'hash_fallback_header'] },
    needs('hash_on', 'query_arg', 'hash_on_query_arg'),
    needs('hash_fallback', 'query_arg', 'hash_fallback_query_arg'),
    { distinct: ['hash_on_query_arg', 'hash_fallback_query_arg'] },
    needs('hash_on', 'uri_capture', 'hash_on_uri_capture'),
    needs('hash_fallback', 'uri_capture', 'hash_fallback_uri_capture'),
    { distinct: ['hash_on_uri_capture', 'hash_fallback_uri_capture'] },
  ],
  shorthand_fields: [algorithmShorthand, hashOnShorthand],
})
