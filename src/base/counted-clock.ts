/** A clock that counts what waits on it, by the place in the code that asked for what recurs, for whoever looks for what keeps a node busy. */
import type { Clock } from './clock.ts'

/** Milliseconds. */
interface Elapsed {
  max: number
  min: number
  avg: number
  variance: number
}

interface Site {
  readonly callstack: string
  /** Milliseconds that the last one was asked to wait. */
  interval: number
  waiting: number
  running: number
  runs: number
  faults: number
  readonly elapsed_time: Elapsed
}

export interface TimerReport {
  readonly sys: Readonly<Record<'running' | 'pending' | 'waiting' | 'total' | 'runs', number>>
  /** Folded stacks, one a line: outermost frame first, then a number (milliseconds in the last). */
  readonly flamegraph: Readonly<Record<'running' | 'pending' | 'elapsed_time', string>>
  readonly timers: Readonly<Record<string, Omit<Site, 'callstack'> & { readonly meta: { readonly callstack: string } }>>
}

export interface CountedClock extends Clock {
  report(): TimerReport
}

const FRAMES_MAX = 4

export function createCountedClock(clock: Clock): CountedClock {
  /** As many as there are places that ask. */
  const sites = new Map<string, Site>()

  function siteOf(interval: number, callstack: string): Site {
    let site = sites.get(callstack)
    if (site === undefined) {
      const elapsed_time = { max: 0, min: 0, avg: 0, variance: 0 }
      site = { callstack, interval, waiting: 0, running: 0, runs: 0, faults: 0, elapsed_time }
      sites.set(callstack, site)
    }
    site.interval = interval
    site.waiting++
    return site
  }

  function run(site: Site, callback: () => void): void {
    const start = clock.monotonic()
    site.running++
    try {
      callback()
    } catch (error) {
      site.faults++
      throw error
    } finally {
      site.running--
      count(site, clock.monotonic() - start)
    }
  }

  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after(ms, callback) {
      // By name only: a stack costs 8 us, and there is a time-out for every request.
      const site = siteOf(ms, `@once:${callback.name || 'anonymous'}()`)
      let isWaiting = true
      const leave = () => {
        if (isWaiting) site.waiting--
        isWaiting = false
      }
      const timer = clock.after(ms, () => {
        leave()
        run(site, callback)
      })
      return {
        cancel() {
          leave()
          timer.cancel()
        },
      }
    },
    every(ms, callback) {
      const site = siteOf(ms, foldedStack())
      let isWaiting = true
      const timer = clock.every(ms, () => run(site, callback))
      return {
        cancel() {
          if (isWaiting) site.waiting--
          isWaiting = false
          timer.cancel()
        },
      }
    },
    report: () => reportOf([...sites.values()]),
  }
}

/** Welford's way to an average and a variance without keeping what they are of. */
function count(site: Site, ms: number): void {
  const { elapsed_time: elapsed } = site
  const before = elapsed.avg
  site.runs++
  elapsed.avg += (ms - before) / site.runs
  elapsed.variance += ((ms - before) * (ms - elapsed.avg) - elapsed.variance) / site.runs
  elapsed.max = Math.max(elapsed.max, ms)
  elapsed.min = site.runs === 1 ? ms : Math.min(elapsed.min, ms)
}

function reportOf(sites: readonly Site[]): TimerReport {
  const sum = (of: (site: Site) => number) => sites.reduce((total, site) => total + of(site), 0)
  const [running, waiting] = [sum(site => site.running), sum(site => site.waiting)]
  const graph = (of: (site: Site) => number) =>
    sites
      .filter(site => of(site) > 0)
      .map(site => `${site.callstack} ${of(site)}\n`)
      .join('')
  const timers = sites.map(({ callstack, ...rest }) => [callstack.split(';').at(-1)!, { ...rest, meta: { callstack } }])
  return {
    // Nothing that is due waits for a free thread, as it may in Kong.
    sys: { running, pending: 0, waiting, total: running + waiting, runs: sum(site => site.runs) },
    flamegraph: {
      running: graph(site => site.running),
      pending: '',
      elapsed_time: graph(site => Math.floor(site.runs * site.elapsed_time.avg)),
    },
    timers: Object.fromEntries(timers),
  }
}

/** `@node/health.ts:12:start();@cluster/link.ts:3:open()`: files below the sources, the caller of the clock last. */
function foldedStack(): string {
  const limit = Error.stackTraceLimit
  const place: { stack?: string } = {}
  Error.stackTraceLimit = FRAMES_MAX
  // Without this function and the clock's own.
  Error.captureStackTrace(place, foldedStack)
  Error.stackTraceLimit = limit
  const frames = (place.stack ?? '').split('\n').slice(2).map(frameOf)
  return frames.reverse().join(';')
}

function frameOf(line: string): string {
  const [, name = 'anonymous', file = '?', row = '0'] = /^\s+at (?:(.+?) \()?(.+?):(\d+):\d+\)?$/.exec(line) ?? []
  const words = name.replace('async ', '').replaceAll(/[;\s]/g, '_')
  return `@${file.replace(/^.*\/(?:src|dist|node_modules)\//, '')}:${row}:${words}()`
}
