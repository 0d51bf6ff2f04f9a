/** Services: the upstream applications that routes lead to. */
import { defineEntity, type ShorthandField } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'
import { parseUrl } from '../schema/uri-formats.ts'

const timeoutMs = (description: string) => field.integer({ default: 60_000, between: [1, 2 ** 31 - 2], description })

/** Only TLS to the upstream can use these. */
const onlyWithTls = (then_field: string) => ({
  conditional: {
    if_field: 'protocol',
    if_match: { not_one_of: ['https', 'tls'] },
    then_field,
    then_match: { eq: null },
  },
})

/** `url` in place of protocol, host, port and path. Only 80 and 443 tell a protocol, only https implies a port. */
const url: ShorthandField = { name: 'url', field: { type: 'string' }, expand: expandUrl }

function expandUrl(value: unknown): Record<string, unknown> {
  const parsed = typeof value === 'string' ? parseUrl(value) : null
  if (parsed === null) return {}
  const port = parsed.port !== null && /^\d+$/.test(parsed.port) ? Number(parsed.port) : null
  const protocol = parsed.scheme ?? (port === 443 ? 'https' : 'http')
  return {
    protocol,
    host: parsed.host,
    port: port ?? parsed.port ?? (protocol === 'https' ? 443 : 80),
    path: parsed.path,
  }
}

export const services = defineEntity({
  name: 'services',
  endpoint_key: 'name',
  fields: {
    id: field.id(),
    created_at: typedefs.autoTimestampS(),
    updated_at: typedefs.autoTimestampS(),
    name: typedefs.utf8Name(),
    retries: field.integer({ default: 5, between: [0, 32767], description: 'Further attempts after a failed one.' }),
    protocol: typedefs.protocol({ required: true, default: 'http' }),
    host: typedefs.host({ required: true }),
    port: typedefs.port({ required: true, default: 80 }),
    path: typedefs.path(),
    connect_timeout: timeoutMs('Milliseconds to wait for a connection.'),
    write_timeout: timeoutMs('Milliseconds between two successful writes.'),
    read_timeout: timeoutMs('Milliseconds between two successful reads.'),
    tags: typedefs.tags(),
    client_certificate: field.foreign('certificates', { description: 'Shown to the upstream.' }),
    tls_verify: field.boolean({ description: 'Whether the certificate of the upstream is verified.' }),
    tls_verify_depth: field.integer({ default: null, between: [0, 64], description: 'Longest chain accepted.' }),
    ca_certificates: field.array(field.string({ uuid: true }), {
      description: 'Ids of the authorities that the upstream is verified against.',
    }),
    enabled: field.boolean({ required: true, default: true, description: 'Disabled services take no traffic.' }),
  },
  entity_checks: [
    {
      conditional: {
        if_field: 'protocol',
        if_match: { one_of: ['tcp', 'tls', 'udp', 'grpc', 'grpcs'] },
        then_field: 'path',
        then_match: { eq: null },
      },
    },
    onlyWithTls('client_certificate'),
    onlyWithTls('tls_verify'),
    onlyWithTls('tls_verify_depth'),
    onlyWithTls('ca_certificates'),
  ],
  shorthand_fields: [url],
})
