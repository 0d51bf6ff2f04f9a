/** `healthchecks` of an upstream, compiled: which events count, and how many of them turn a peer over. */
import type { Row } from '../../entities/config.ts'
import type { PeerEvent } from './peer-state.ts'

/** One half, active or passive. */
export interface CheckRules {
  /** 0: that event does not count at all. */
  readonly limits: Readonly<Record<PeerEvent, number>>
  /** What a status says; null: nothing. */
  statusEvent(status: number): PeerEvent | null
}

export interface ActiveRules extends CheckRules {
  readonly type: 'http' | 'https' | 'tcp' | 'grpc' | 'grpcs'
  readonly timeoutMs: number
  readonly concurrency: number
  readonly path: string
  readonly sni: string | null
  readonly verifiesCertificate: boolean
  readonly headers: Readonly<Record<string, readonly string[]>>
  /** How often peers in traffic, and those out of it, are probed; 0: never. */
  readonly healthyIntervalMs: number
  readonly unhealthyIntervalMs: number
}

export interface HealthRules {
  /** Null when neither interval is set. */
  readonly active: ActiveRules | null
  readonly passive: CheckRules
}

/** Rows of an older control plane, and those of tests, may lack what has a default. */
type Half = Readonly<Record<string, unknown>> | null | undefined

/** A timeout of zero means the default of nginx's sockets. */
const TIMEOUT_MS_DEFAULT = 60_000

/** Null when the upstream has no health checks. */
export function compileHealthRules(upstream: Row): HealthRules | null {
  const checks = upstream['healthchecks'] as { readonly active?: Half; readonly passive?: Half } | null | undefined
  const active = compileActive(checks?.active)
  const passive = compileChecks(checks?.passive)
  const { tcp_failure, timeout, http_failure } = passive.limits
  return active === null && tcp_failure === 0 && timeout === 0 && http_failure === 0 ? null : { active, passive }
}

function compileChecks(half: Half): CheckRules {
  const healthy = half?.['healthy'] as Half
  const unhealthy = half?.['unhealthy'] as Half
  const good = new Set(healthy?.['http_statuses'] as readonly number[] | null | undefined)
  const bad = new Set(unhealthy?.['http_statuses'] as readonly number[] | null | undefined)
  return {
    limits: {
      success: numberOf(healthy, 'successes'),
      http_failure: numberOf(unhealthy, 'http_failures'),
      tcp_failure: numberOf(unhealthy, 'tcp_failures'),
      timeout: numberOf(unhealthy, 'timeouts'),
    },
    statusEvent(status) {
      if (good.has(status)) return 'success'
      // No status at all: the answer was not HTTP.
      return bad.has(status) || status === 0 ? 'http_failure' : null
    },
  }
}

function compileActive(half: Half): ActiveRules | null {
  const healthyIntervalMs = numberOf(half?.['healthy'] as Half, 'interval') * 1000
  const unhealthyIntervalMs = numberOf(half?.['unhealthy'] as Half, 'interval') * 1000
  if (healthyIntervalMs === 0 && unhealthyIntervalMs === 0) return null
  return {
    ...compileChecks(half),
    type: (half?.['type'] ?? 'http') as ActiveRules['type'],
    timeoutMs: numberOf(half, 'timeout') * 1000 || TIMEOUT_MS_DEFAULT,
    concurrency: numberOf(half, 'concurrency') || 1,
    path: String(half?.['http_path'] ?? '/'),
    sni: (half?.['https_sni'] ?? null) as string | null,
    verifiesCertificate: half?.['https_verify_certificate'] !== false,
    headers: (half?.['headers'] ?? {}) as ActiveRules['headers'],
    healthyIntervalMs,
    unhealthyIntervalMs,
  }
}

function numberOf(half: Half, name: string): number {
  return Number(half?.[name] ?? 0)
}
