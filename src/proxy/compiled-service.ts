/** From the row of a service to what the engine needs to reach its upstream. */
import { createHash } from 'node:crypto'
import type { Row } from '../entities/config.ts'
import { HostBalancer, UpstreamBalancer } from './balancer/service-balancers.ts'
import type { BalancerTools, UpstreamTargets } from './balancer/upstream-targets.ts'
import type { CompiledService, UpstreamTlsOptions } from './compiled.ts'
import { foreignKey } from './entity-index.ts'

/** An upstream as services refer to it: by name. */
export interface NamedUpstream {
  readonly row: Row
  readonly targets: UpstreamTargets
}

export interface ServiceSources {
  readonly balancerTools: BalancerTools
  find(entity: string, key: string): Row | null
  upstreamByName(name: string): NamedUpstream | null
}

const DEFAULT_TIMEOUT_MS = 60_000
const DEFAULT_RETRIES = 5

export function isServiceEnabled(row: Row | null): row is Row {
  return row !== null && row['enabled'] !== false
}

export function compileService(row: Row, sources: ServiceSources): CompiledService {
  const protocol = String(row['protocol'] ?? 'http')
  const host = String(row['host'])
  const port = Number(row['port'] ?? 80)
  const isTls = protocol === 'https' || protocol === 'grpcs' || protocol === 'tls'
  const upstream = sources.upstreamByName(host)
  return {
    id: String(row['id']),
    row,
    tls: isTls,
    protocol,
    http2: protocol === 'grpc' || protocol === 'grpcs',
    host,
    port,
    path: String(row['path'] ?? '/'),
    retries: Number(row['retries'] ?? DEFAULT_RETRIES),
    connectTimeoutMs: Number(row['connect_timeout'] ?? DEFAULT_TIMEOUT_MS),
    writeTimeoutMs: Number(row['write_timeout'] ?? DEFAULT_TIMEOUT_MS),
    readTimeoutMs: Number(row['read_timeout'] ?? DEFAULT_TIMEOUT_MS),
    balancer:
      upstream === null
        ? new HostBalancer(sources.balancerTools, { host, port, isTls })
        : new UpstreamBalancer(upstream.targets, {
            hostHeader: (upstream.row['host_header'] ?? null) as string | null,
            isTls,
          }),
    tlsOptions: isTls ? tlsOptions(row, upstream, sources) : null,
  }
}

/** The service's own client certificate comes before the upstream's, as in Kong. */
function tlsOptions(row: Row, upstream: NamedUpstream | null, sources: ServiceSources): UpstreamTlsOptions {
  const certificateId =
    foreignKey(row, 'client_certificate') ?? (upstream && foreignKey(upstream.row, 'client_certificate'))
  const certificate = certificateId === null ? null : sources.find('certificates', certificateId)
  const caIds = (row['ca_certificates'] ?? null) as readonly string[] | null
  const options = {
    cert: (certificate?.['cert'] ?? null) as string | null,
    key: (certificate?.['key'] ?? null) as string | null,
    // nginx's `proxy_ssl_verify` does not count for gRPC.
    verify: (row['tls_verify'] ?? (row['protocol'] === 'grpcs' ? false : null)) as boolean | null,
    verifyDepth: (row['tls_verify_depth'] ?? null) as number | null,
    ca:
      caIds === null || caIds.length === 0
        ? null
        : caIds.flatMap(id => (sources.find('ca_certificates', id)?.['cert'] ?? []) as string | []),
  }
  // A digest, because keys of pools end up in logs and dumps, and the private key must not.
  const poolKey = createHash('sha256').update(JSON.stringify(options)).digest('base64url').slice(0, 16)
  return { ...options, poolKey }
}
