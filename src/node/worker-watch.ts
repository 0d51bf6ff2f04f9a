/**
 * Ends workers that hang: a loop without end in a plugin, a process that was stopped. Such a worker takes connections
 * from the sockets that all share and never answers them, and versions wait for it.
 *
 * What counts is how often it was asked in vain, not how much time passed: a machine that slept, or a main process
 * that had no CPU, makes nobody hang.
 */
import type { Clock, Timer } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { WorkerProcess } from './worker-process.ts'

export interface WorkerWatchOptions {
  readonly workers: () => Iterable<WorkerProcess>
  readonly clock: Clock
  readonly log: Logger
}

const PING_INTERVAL_MS = 1000
/** Longer than any garbage collection, or a preparation's longest step, on a busy machine. */
const UNANSWERED_MAX = 15
/** Before its first word it loads its modules, at the pace of the disk. */
const UNANSWERED_AT_START_MAX = 60

export function watchWorkers({ workers, clock, log }: WorkerWatchOptions): Timer {
  return clock.every(PING_INTERVAL_MS, () => {
    for (const worker of workers()) {
      const max = worker.hasSpoken ? UNANSWERED_MAX : UNANSWERED_AT_START_MAX
      if (worker.unanswered < max) worker.ping()
      else if (!worker.isHung) {
        log.crit(`worker ${worker.pid} has not answered for ${max} seconds and is ended`)
        worker.isHung = true
        worker.kill('SIGKILL')
      }
    }
  })
}
