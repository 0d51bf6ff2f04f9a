/** Starts a worker process, with a heap made for many short-lived strings. */
import { type ChildProcess, fork } from 'node:child_process'
import { extname, join } from 'node:path'

const WORKER = join(import.meta.dirname, `../worker${extname(import.meta.filename)}`)

/**
 * MiB. Node's default of 16 lets each half of the young generation grow to that size before it is collected, which
 * costs resident memory and gains nothing here: what a request leaves behind is dead at once.
 */
const SEMI_SPACE_MIB = 4

export function forkWorker(): ChildProcess {
  return fork(WORKER, [], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Else SIGUSR1 to the group of processes opens a debugger in a worker that is still starting.
    execArgv: [...process.execArgv, '--disable-sigusr1', `--max-semi-space-size=${SEMI_SPACE_MIB}`],
  })
}
