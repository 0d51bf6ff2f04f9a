/** Worker processes, with the options of this one (bin/kong), and some of them started before they are needed. */
import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { extname, join } from 'node:path'
import type { Settings } from '../settings/definition.ts'

const WORKER = join(import.meta.dirname, `../worker${extname(import.meta.filename)}`)

/**
 * The few functions that a request runs are compiled at once, and its garbage, dead at the next request, is collected
 * without waking helper threads: together a tenth less CPU per request (bench/proxy-cpu.ts).
 */
const V8_FLAGS = ['--always-sparkplug', '--no-parallel-scavenge']

function forkWorker(): ChildProcess {
  return fork(WORKER, [], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Else SIGUSR1 to the group of processes opens a debugger in a worker that is still starting.
    execArgv: [...process.execArgv, ...V8_FLAGS, '--disable-sigusr1'],
  })
}

export function workerCount({ nginx_worker_processes }: Pick<Settings, 'nginx_worker_processes'>): number {
  return nginx_worker_processes === 'auto' ? availableParallelism() : nginx_worker_processes
}

/** Forks workers; those of the start ahead of time, so that they load their modules while the main process loads its own. */
export class WorkerForks {
  readonly #ahead: ChildProcess[] = []

  forkAhead(count: number): void {
    for (let i = 0; i < count; i++) {
      const child = forkWorker()
      // Until somebody takes it: then its end is noticed below.
      child.on('error', () => {})
      this.#ahead.push(child)
    }
  }

  take(): ChildProcess {
    for (let child = this.#ahead.shift(); child !== undefined; child = this.#ahead.shift()) {
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) return child
    }
    return forkWorker()
  }

  /** Ends those that nobody took. */
  end(): void {
    for (const child of this.#ahead.splice(0)) child.kill('SIGKILL')
  }
}
