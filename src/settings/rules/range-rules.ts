/** Ranges of numbers, with Kong's texts. */
import type { Settings } from '../definition.ts'
import type { Findings, RuleContext } from './rule.ts'

type NumberName = { [N in keyof Settings]: Settings[N] extends number | null ? N : never }[keyof Settings] & string

const WHOLE_NUMBERS: readonly NumberName[] = [
  'pg_max_concurrent_queries',
  'pg_semaphore_timeout',
  'pg_keepalive_timeout',
  'pg_pool_size',
  'pg_backlog',
  'pg_ro_max_concurrent_queries',
  'pg_ro_semaphore_timeout',
  'pg_ro_keepalive_timeout',
  'pg_ro_pool_size',
  'pg_ro_backlog',
]
const ZERO_OR_GREATER: readonly NumberName[] = [
  'upstream_keepalive_pool_size',
  'upstream_keepalive_max_requests',
  'upstream_keepalive_idle_timeout',
  'cassandra_refresh_frequency',
  'dns_valid_ttl',
  'dns_stale_ttl',
  'dns_cache_size',
  'dns_not_found_ttl',
  'dns_error_ttl',
  'resolver_valid_ttl',
  'resolver_stale_ttl',
  'resolver_error_ttl',
  'resolver_lru_cache_size',
]
const GREATER_THAN_ZERO: readonly NumberName[] = [
  'worker_state_update_frequency',
  'db_update_frequency',
  'pg_timeout',
  'cassandra_timeout',
]
const ONE_TO_THOUSAND: readonly NumberName[] = [
  'lua_max_req_headers',
  'lua_max_resp_headers',
  'lua_max_uri_args',
  'lua_max_post_args',
]

export function checkRanges({ settings, origin }: RuleContext, { errors }: Findings): void {
  const check = (names: readonly NumberName[], isRight: (value: number) => boolean, text: string) => {
    for (const name of names) {
      const value = settings[name]
      if (value !== null && !isRight(value)) errors.push(`${name} must be ${text}${origin(name)}`)
    }
  }
  check(WHOLE_NUMBERS, value => value >= 0, 'greater than 0')
  check(WHOLE_NUMBERS, value => Number.isInteger(value), 'an integer greater than 0')
  check(ZERO_OR_GREATER, value => value >= 0, '0 or greater')
  check(GREATER_THAN_ZERO, value => value > 0, 'greater than 0')
  check(
    ONE_TO_THOUSAND,
    value => Number.isInteger(value) && value >= 1 && value <= 1000,
    'an integer between 1 and 1000',
  )
  if (settings.tracing_sampling_rate < 0 || settings.tracing_sampling_rate > 1) {
    errors.push('tracing_sampling_rate must be between 0 and 1' + origin('tracing_sampling_rate'))
  }
}
