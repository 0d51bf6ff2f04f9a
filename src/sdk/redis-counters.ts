/** Counters in Redis, shared by all nodes that use the same server and database. */
import type { Clock, Timer } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { CounterUsage, CounterWindow } from './counters.ts'
import { createRedisClient, type RedisClient, type RedisSettings } from './redis.ts'
import { counterKeyCountMax, createWindowTable, type WindowTable } from './window-table.ts'

export interface ExpiringWindow extends CounterWindow {
  /** Nominal length of the window: how long Redis keeps a counter. */
  readonly seconds: number
}

export interface RedisCounters {
  take(windows: readonly ExpiringWindow[]): Promise<CounterUsage> | CounterUsage
  close(): void
}

export interface RedisCountersOptions {
  readonly clock: Clock
  readonly log: Logger
}

/** Adds, and lets the counter expire when it is new: in one step, so that no counter can stay for ever. */
const addScript =
  "local n = redis.call('INCRBY', KEYS[1], ARGV[1]) " +
  "if n == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end return n"

/** `sync_rate` in seconds, or -1 to ask for every request: the two ways count differently, as in Kong. */
export function createRedisCounters(
  settings: RedisSettings,
  sync_rate: number,
  options: RedisCountersOptions,
): RedisCounters {
  const client = createRedisClient(settings, options.clock)
  const add = (window: ExpiringWindow, count: number): Promise<number> =>
    client.command('EVAL', addScript, 1, window.key, count, window.seconds).then(Number)
  return sync_rate === -1 ? askingCounters(client, add) : syncingCounters(client, add, sync_rate, options)
}

type Add = (window: ExpiringWindow, count: number) => Promise<number>

/** Counts before it decides, so that concurrent nodes cannot overshoot; refused requests are counted too. */
function askingCounters(client: RedisClient, add: Add): RedisCounters {
  return {
    async take(windows) {
      const counts = await Promise.all(windows.map(window => add(window, 1)))
      const usages = counts.map(count => count - 1)
      return { taken: windows.every(({ limit }, i) => usages[i]! < limit), usages }
    },
    close: () => client.close(),
  }
}

interface Shared {
  window: ExpiringWindow | null
  /** Of all nodes, when Redis was last asked; null before the first time. */
  usage: number | null
  /** Ours, not told to Redis yet. */
  delta: number
  loading: Promise<void> | null
}

/** Decides from the last known usage and its own count; tells Redis what it counted every `sync_rate` seconds. */
function syncingCounters(
  client: RedisClient,
  add: Add,
  sync_rate: number,
  { clock, log }: RedisCountersOptions,
): RedisCounters {
  const create = (): Shared => ({ window: null, usage: null, delta: 0, loading: null })
  const table: WindowTable<Shared> = createWindowTable({ clock, keyCountMax: counterKeyCountMax, create })
  const changed = new Set<Shared>()
  let timer: Timer | null = null

  async function sync(): Promise<void> {
    timer = null
    const batch = [...changed]
    changed.clear()
    for (const counter of batch) {
      const { window, delta } = counter
      counter.delta = 0
      counter.usage = (counter.usage ?? 0) + delta
      add(window!, delta).then(
        total => void (counter.usage = total),
        error => log.error(`rate-limiting: error when syncing counters to redis: ${(error as Error).message}`),
      )
    }
  }

  function load(counter: Shared, window: ExpiringWindow): Promise<void> {
    counter.loading ??= client
      .command('GET', window.key)
      .then(reply => void (counter.usage ??= Number(reply ?? 0)))
      .finally(() => void (counter.loading = null))
    return counter.loading
  }

  function decide(windows: readonly ExpiringWindow[], counters: readonly Shared[]): CounterUsage {
    const usages = counters.map(({ usage, delta }) => (usage ?? 0) + delta)
    const taken = windows.every(({ limit }, i) => usages[i]! < limit)
    if (!taken) return { taken, usages }
    for (const [i, counter] of counters.entries()) {
      counter.window = windows[i]!
      counter.delta++
      changed.add(counter)
    }
    timer ??= clock.after(sync_rate * 1000, () => void sync())
    return { taken, usages }
  }

  return {
    take(windows) {
      const counters = windows.map(({ endsAt, key }) => table.get(endsAt, key))
      const unknown = counters.flatMap((counter, i) => (counter.usage === null ? [load(counter, windows[i]!)] : []))
      if (unknown.length === 0) return decide(windows, counters)
      return Promise.all(unknown).then(() => decide(windows, counters))
    },
    close() {
      timer?.cancel()
      // What was counted since the last exchange is told before the connection goes.
      void Promise.allSettled([...changed].map(({ window, delta }) => add(window!, delta))).then(() => client.close())
    },
  }
}
