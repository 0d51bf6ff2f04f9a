/** Ready-made fields, by Kong's names for them. Those that take attributes are functions. */
import { certificateError, keyError } from './certificate-formats.ts'
import * as field from './field.ts'
import * as hosts from './host-formats.ts'
import { httpTokenError, nameError, tagError, utf8NameError } from './name-formats.ts'
import { pathError, routePathError, urlError } from './uri-formats.ts'

type Text = field.StringAttributes
type Numeric = field.NumberAttributes

export const PROTOCOLS = ['grpc', 'grpcs', 'http', 'https', 'tcp', 'tls', 'tls_passthrough', 'udp'] as const
export const HTTP_PROTOCOLS = ['grpc', 'grpcs', 'http', 'https'] as const

export { headerName, id as uuid } from './field.ts'

export const autoTimestampS = () =>
  field.integer({ timestamp: true, auto: true, description: 'Seconds since the epoch; set by the gateway.' })
/** Seconds with a fraction of milliseconds. */
export const autoTimestampMs = () =>
  field.number({ timestamp: true, auto: true, description: 'Seconds since the epoch; set by the gateway.' })

export const name = <const A extends Text>(a: A = {} as A) =>
  field.string({ unique: true, custom_validator: nameError, description: 'A unique name.', ...a })
export const utf8Name = <const A extends Text>(a: A = {} as A) =>
  field.string({ unique: true, custom_validator: utf8NameError, description: 'A unique name.', ...a })

export const tag = () => field.string({ required: true, custom_validator: tagError })
export const tags = () => field.set(tag(), { description: 'Labels for grouping and filtering.' })

export const protocol = <const A extends Text>(a: A = {} as A) =>
  field.string({ one_of: PROTOCOLS, description: 'A protocol.', ...a })
/** The protocols of a plugin that accepts any. */
export const protocols = () =>
  field.set(protocol(), {
    required: true,
    default: HTTP_PROTOCOLS,
    description: 'Protocols of the requests concerned.',
  })
export const protocolsHttp = () =>
  field.set(field.string({ one_of: HTTP_PROTOCOLS }), { required: true, default: HTTP_PROTOCOLS })
export const httpMethod = () => field.string({ match: '^%u+$', description: 'An HTTP method in capitals.' })

export const host = <const A extends Text>(a: A = {} as A) =>
  field.string({ custom_validator: hosts.hostError, description: 'A host name or address, without port.', ...a })
export const hostWithOptionalPort = <const A extends Text>(a: A = {} as A) =>
  field.string({ custom_validator: hosts.hostWithOptionalPortError, description: 'A host name or address.', ...a })
export const wildcardHost = <const A extends Text>(a: A = {} as A) =>
  field.string({
    custom_validator: hosts.wildcardHostError,
    description: 'A host name; `*` may begin or end it.',
    ...a,
  })
export const sni = <const A extends Text>(a: A = {} as A) =>
  field.string({ custom_validator: hosts.sniError, description: 'A server name of TLS.', ...a })
export const ip = <const A extends Text>(a: A = {} as A) =>
  field.string({ custom_validator: hosts.ipError, description: 'An IP address.', ...a })
export const ipOrCidr = <const A extends Text>(a: A = {} as A) =>
  field.string({ custom_validator: hosts.ipOrCidrError, description: 'An IP address or a CIDR block.', ...a })
export const cidrV4 = <const A extends Text>(a: A = {} as A) =>
  field.string({ custom_validator: hosts.ipOrCidrV4Error, ...a })
export const port = <const A extends Numeric>(a: A = {} as A) =>
  field.integer({ between: [0, 65535], description: 'A port number.', ...a })

export const path = <const A extends Text>(a: A = {} as A) =>
  field.string({
    starts_with: '/',
    match_none: [{ pattern: '//', err: 'must not have empty segments' }],
    custom_validator: pathError,
    description: 'A path that begins with `/`.',
    ...a,
  })
export const url = <const A extends Text>(a: A = {} as A) =>
  field.string({ custom_validator: urlError, description: 'A URL with scheme and host.', ...a })
export const cookieName = <const A extends Text>(a: A = {} as A) =>
  field.string({ custom_validator: httpTokenError, description: 'The name of a cookie.', ...a })

/** Milliseconds. */
export const timeout = <const A extends Numeric>(a: A = {} as A) =>
  field.integer({ between: [0, 2 ** 31 - 2], description: 'Milliseconds.', ...a })
/** Seconds. */
export const ttl = <const A extends Numeric>(a: A = {} as A) => field.number({ between: [0, 1e8], ...a })

export const certificate = <const A extends Text>(a: A = {} as A) =>
  field.string({ custom_validator: certificateError, description: 'A certificate in PEM.', ...a })
export const key = <const A extends Text>(a: A = {} as A) =>
  field.string({ custom_validator: keyError, description: 'A key in PEM.', ...a })

export const semanticVersion = <const A extends Text>(a: A = {} as A) =>
  field.string({
    match_any: {
      patterns: ['^%d+[%.%d]*$', '^%d+[%.%d]*%-?.*$'],
      err: 'invalid version number: must be in format of X.Y.Z',
    },
    match_none: [{ pattern: '%.%.', err: 'must not have empty version segments' }],
    ...a,
  })

/** A plugin that cannot be attached to this scope declares the field with one of these. */
export const noRoute = () => field.foreign('routes', { eq: null })
export const noService = () => field.foreign('services', { eq: null })
export const noConsumer = () => field.foreign('consumers', { eq: null })

export const methods = () => field.set(httpMethod())
export const routeHosts = () =>
  field.array(
    field.string({
      match_all: [{ pattern: '^[^*]*%*?[^*]*$', err: 'invalid wildcard: must have at most one wildcard' }],
      match_any: {
        patterns: ['^%*%.', '%.%*$', '^[^*]*$'],
        err: 'invalid wildcard: must be placed at leftmost or rightmost label',
      },
      custom_validator: hosts.routeHostError,
    }),
  )
export const routerPath = () =>
  field.string({
    match_any: {
      patterns: ['^/', '^~/'],
      err: 'should start with: / (fixed path) or ~/ (regex path)',
    },
    match_none: [{ pattern: '//', err: 'must not have empty segments' }],
    custom_validator: routePathError,
  })
export const routerPaths = () => field.array(routerPath())
export const headers = <const A extends Text>(keyAttributes: A = {} as A) =>
  field.map(field.extend(field.headerName(), keyAttributes), field.array(field.string()))
/** `sources` and `destinations` of stream routes. */
export const addresses = () =>
  field.set(field.record({ ip: ipOrCidr(), port: port() }, { entity_checks: [{ at_least_one_of: ['ip', 'port'] }] }))

/** How a plugin reaches Redis. */
export const redis = () =>
  field.record(
    {
      host: host(),
      port: port({ default: 6379 }),
      timeout: timeout({ default: 2000 }),
      username: field.string({ referenceable: true }),
      password: field.string({ encrypted: true, referenceable: true, len_min: 0 }),
      database: field.integer({ default: 0 }),
      ssl: field.boolean({ required: false, default: false }),
      ssl_verify: field.boolean({ required: false, default: false }),
      server_name: sni({ required: false }),
    },
    { description: 'Redis configuration' },
  )

/** How a plugin collects entries and sends them in batches. */
export const queue = () =>
  field.record({
    max_batch_size: field.integer({ default: 1, between: [1, 1_000_000] }),
    max_coalescing_delay: field.number({ default: 1, between: [0, 3600] }),
    max_entries: field.integer({ default: 10_000, between: [1, 1_000_000] }),
    max_bytes: field.integer(),
    max_retry_time: field.number({ default: 60 }),
    initial_retry_delay: field.number({ default: 0.01, between: [0.001, 1_000_000] }),
    max_retry_delay: field.number({ default: 60, between: [0.001, 1_000_000] }),
    concurrency_limit: field.integer({ default: 1, one_of: [-1, 1] }),
  })
