/** Limits how many requests a client may make per second, minute, hour, day, month or year. */
import { periods, windowAt, type Period, type PeriodDefinition } from '../sdk/calendar-windows.ts'
import type { CounterUsage, SharedCounters } from '../sdk/counters.ts'
import { createRedisCounters, type ExpiringWindow } from '../sdk/redis-counters.ts'
import { redisShorthands } from '../sdk/redis-shorthands.ts'
import { definePlugin, field, typedefs } from '../sdk/sdk.ts'
import type { Awaitable, Reply, RequestPhase, Row } from '../sdk/sdk.ts'

const limit = (period: Period) => field.number({ gt: 0, description: `Requests allowed per ${period}.` })
const required = (if_field: string, eq: string, then_field: string) => ({
  conditional: { if_field, if_match: { eq }, then_field, then_match: { required: true } },
})
const zeroUuid = '00000000-0000-0000-0000-000000000000'
/** Clients whose windows are kept ready between requests; the counters themselves are elsewhere. */
const readyClientsMax = 10_000

export default definePlugin({
  name: 'rate-limiting',
  priority: 910,
  protocols: typedefs.HTTP_PROTOCOLS,
  scopes: ['service', 'route', 'consumer'],
  docs: {
    summary: 'Limit how many requests a client may make in a period.',
    details:
      'Windows are those of the calendar in UTC. A request passes only if every configured period has room; one that ' +
      'is refused is not counted with the policy `local`. `local` counts for all workers of a node and never lets more ' +
      'through than the limit; `redis` counts for all nodes that use the same server. Where `cluster` is accepted ' +
      '(role traditional), it counts per node, like `local`.',
    example: { minute: 20, hour: 500, policy: 'local' },
  },
  config: {
    second: limit('second'),
    minute: limit('minute'),
    hour: limit('hour'),
    day: limit('day'),
    month: limit('month'),
    year: limit('year'),
    limit_by: field.string({
      default: 'consumer',
      one_of: ['consumer', 'credential', 'ip', 'service', 'header', 'path'],
      description: 'What makes two requests count together; the client address where a request has none of it.',
    }),
    header_name: field.extend(field.headerName(), { description: 'The header, with `limit_by: header`.' }),
    path: typedefs.path({ description: 'The path that is counted, with `limit_by: path`.' }),
    policy: field.string({
      default: 'local',
      len_min: 0,
      one_of: ['local', 'cluster', 'redis'],
      description: 'Where the counters are.',
    }),
    fault_tolerant: field.boolean({
      required: true,
      default: true,
      description: 'Let requests pass uncounted when the counters cannot be reached, instead of answering 500.',
    }),
    redis: typedefs.redis(),
    hide_client_headers: field.boolean({
      required: true,
      default: false,
      description: 'Do not tell clients their limits and what remains.',
    }),
    error_code: field.number({ default: 429, gt: 0, description: 'Status of a refusal.' }),
    error_message: field.string({ default: 'API rate limit exceeded', description: 'Message of a refusal.' }),
    sync_rate: field.number({
      required: true,
      default: -1,
      description: 'Seconds between exchanges with Redis; -1 asks it for every request.',
    }),
  },
  shorthand_fields: redisShorthands('rate-limiting'),
  entity_checks: [
    { at_least_one_of: periods.map(({ name }) => `config.${name}`) },
    required('config.policy', 'redis', 'config.redis.host'),
    required('config.policy', 'redis', 'config.redis.port'),
    required('config.policy', 'redis', 'config.redis.timeout'),
    required('config.limit_by', 'header', 'config.header_name'),
    required('config.limit_by', 'path', 'config.path'),
  ],
  config_validator(config) {
    const set = periods.filter(({ name }) => config[name] !== null)
    for (const [i, { name: shorter }] of set.entries()) {
      const longer = set.slice(i + 1).find(({ name }) => config[name]! < config[shorter]!)?.name
      if (longer === undefined) continue
      const [high, low] = [config[longer]!.toFixed(1), config[shorter]!.toFixed(1)]
      return `The limit for ${longer}(${high}) cannot be lower than the limit for ${shorter}(${low})`
    }
    if (config.sync_rate === -1) return null
    if (config.policy !== 'redis') return 'sync_rate can only be used with the redis policy'
    return config.sync_rate < 0.02 ? 'sync_rate must be greater than 0.02, or -1 to disable' : null
  },

  prepare(config, tools) {
    const { clock, scope } = tools
    const limits = periods.flatMap(period => toLimit(period, config[period.name]))
    const redis = config.policy === 'redis' ? createRedisCounters(config.redis, config.sync_rate, tools) : null
    const counters: SharedCounters = redis ?? tools.counters
    const findWindows = windowFinder(limits, `ratelimit:${scope.route_id ?? zeroUuid}:${scope.service_id ?? zeroUuid}:`)
    const identify = identifier(config.limit_by ?? 'consumer', config.header_name ?? '', config.path ?? '')
    const status = config.error_code ?? 429
    const message = config.error_message
    const refusal: Reply =
      message === null ? { status, negotiate: true } : { status, body: { message }, negotiate: true }

    function answer(exchange: RequestPhase, windows: readonly Window[], usage: CounterUsage): Reply | undefined {
      if (!config.hide_client_headers) announce(exchange, limits, windows, usage, clock.now())
      return usage.taken ? undefined : refusal
    }

    function fail(error: unknown): Reply | undefined {
      tools.log.error(`rate-limiting: failed to get usage: ${(error as Error).message}`)
      if (config.fault_tolerant) return undefined
      return { status: 500, body: { message: 'An unexpected error occurred' }, negotiate: true }
    }

    return {
      access(exchange): Awaitable<Reply | undefined> {
        const windows = findWindows(identify(exchange) ?? exchange.request.clientIp, clock.now())
        const usage = counters.take(windows)
        if (usage instanceof Promise) return usage.then(one => answer(exchange, windows, one), fail)
        return answer(exchange, windows, usage)
      },
      ...(redis === null ? {} : { close: () => redis.close() }),
    }
  },
})

interface Window extends ExpiringWindow {
  readonly startsAt: number
}

/** One configured period, with everything a request needs ready made. */
interface Limit {
  readonly period: PeriodDefinition
  readonly limit: number
  readonly text: string
  readonly limitHeader: string
  readonly remainingHeader: string
}

function toLimit(period: PeriodDefinition, limit: number | null): Limit[] {
  if (limit === null) return []
  const title = period.name[0]!.toUpperCase() + period.name.slice(1)
  const [limitHeader, remainingHeader] = [`X-RateLimit-Limit-${title}`, `X-RateLimit-Remaining-${title}`]
  return [{ period, limit, text: String(limit), limitHeader, remainingHeader }]
}

function identifier(limitBy: string, headerName: string, path: string): (exchange: RequestPhase) => string | undefined {
  const idOf = (row: Row | null) => row?.['id'] as string | undefined
  switch (limitBy) {
    case 'service':
      return ({ service }) => idOf(service)
    case 'consumer':
      return ({ consumer, credential }) => idOf(consumer ?? credential)
    case 'credential':
      return ({ credential }) => idOf(credential)
    case 'header':
      return ({ request }) => request.header(headerName)
    case 'path':
      return ({ request }) => (request.path === path ? path : undefined)
    default:
      return () => undefined
  }
}

/**
 * The windows of a client at a time. They are kept until the shortest one ends, so that a busy client costs one
 * look-up, and its counter keys are the same strings each time.
 */
function windowFinder(limits: readonly Limit[], prefix: string) {
  const ready = new Map<string, readonly Window[]>()
  let from = 0
  let until = 0
  let current: { start: number; end: number }[] = []

  return (client: string, now: number): readonly Window[] => {
    if (now >= until || now < from) {
      current = limits.map(({ period }) => windowAt(period, now))
      from = now
      until = Math.min(...current.map(({ end }) => end))
      ready.clear()
    }
    const known = ready.get(client)
    if (known !== undefined) return known
    const windows = limits.map(({ limit, period }, i) => {
      const { start, end } = current[i]!
      const key = `${prefix}${client}:${start}:${period.name}`
      return { key, limit, startsAt: start, endsAt: end, seconds: period.seconds }
    })
    if (ready.size >= readyClientsMax) ready.clear()
    ready.set(client, windows)
    return windows
  }
}

/** Tells the client what remains: of every period, and as `RateLimit-*` of the one with least. */
function announce(
  { response }: RequestPhase,
  limits: readonly Limit[],
  windows: readonly Window[],
  usage: CounterUsage,
  now: number,
): void {
  let least = Number.POSITIVE_INFINITY
  let tightest = 0
  for (let i = 0; i < limits.length; i++) {
    const { limit, text, limitHeader, remainingHeader } = limits[i]!
    const free = limit - usage.usages[i]!
    // A refused request takes nothing, so only a request that passes is subtracted.
    const remaining = Math.max(0, usage.taken ? free - 1 : free)
    // Of equal ones the longest, which comes last, matters most.
    if (remaining <= least) {
      least = remaining
      tightest = i
    }
    response.setHeader(limitHeader, text)
    response.setHeader(remainingHeader, String(remaining))
  }
  const reset = String(secondsToReset(windows[tightest]!, now))
  response.setHeader('RateLimit-Limit', limits[tightest]!.text)
  response.setHeader('RateLimit-Remaining', String(least))
  response.setHeader('RateLimit-Reset', reset)
  if (!usage.taken) response.setHeader('Retry-After', reset)
}

/** Kong's arithmetic: from the nominal length of the period, so that it is off by days in a month of 31 days. */
function secondsToReset({ seconds, startsAt }: Window, now: number): number {
  return Math.max(1, seconds - Math.floor((now - startsAt) / 1000))
}
