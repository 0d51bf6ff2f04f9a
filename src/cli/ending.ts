/** Ending a running node from outside, and making sure that it is gone. */
import { systemClock } from '../base/clock.ts'
import { pause } from '../base/pause.ts'
import type { PrefixPaths } from './prefix-folder.ts'
import { findRunning, isAlive, releasePrefix } from './process-record.ts'

/** Long enough for a poll to be cheap, short enough for nobody to notice. */
const POLL_MS = 20
/** A node that was told to stop at once and has not done so by then hangs. */
export const STOP_TIMEOUT_MS = 10_000

/** True when the process is gone before the time is over. */
export async function waitForEnd(pid: number, timeoutMs: number): Promise<boolean> {
  const end = systemClock.monotonic() + timeoutMs
  while (isAlive(pid)) {
    if (systemClock.monotonic() >= end) return false
    await pause(POLL_MS)
  }
  return true
}

/** Tells the node to stop, and ends it by force when it does not. */
export async function stopNode(paths: PrefixPaths, pid: number): Promise<void> {
  send(pid, 'SIGTERM')
  if (!(await waitForEnd(pid, STOP_TIMEOUT_MS))) {
    // A background node leads a process group of its own, in which its workers are.
    // Process 1 of a container leads none: -1 would mean everybody.
    if (pid === 1 || !send(-pid, 'SIGKILL')) send(pid, 'SIGKILL')
    await waitForEnd(pid, STOP_TIMEOUT_MS)
  }
  // One that was killed could not do so itself.
  if (findRunning(paths) === null) releasePrefix(paths, pid)
}

/** False when there is no such process. */
export function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
