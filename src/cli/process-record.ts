/** The pid file of a node, and whether what it names is really that node: a pid may be stale, or used again. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { PrefixPaths } from './prefix-folder.ts'

/** The pid of the running node, or null. */
export function findRunning(paths: PrefixPaths): number | null {
  const pid = readPid(paths.pid)
  if (pid === null || !isAlive(pid)) return null
  const recorded = readStartTicks(paths.process, pid)
  const actual = startTicks(pid)
  return recorded === null || actual === null || recorded === actual ? pid : null
}

/** Claims the prefix for this process. False when another live node has it. */
export function claimPrefix(paths: PrefixPaths, pid: number): boolean {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      // Exclusive, so that of two starts at the same time one fails.
      writeFileSync(paths.pid, `${pid}\n`, { flag: 'wx', mode: 0o644 })
      writeFileSync(paths.process, `${JSON.stringify({ pid, start_ticks: startTicks(pid) })}\n`, { mode: 0o644 })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      if (findRunning(paths) !== null) return false
      rmSync(paths.pid, { force: true })
    }
  }
  return false
}

/** Takes the claim back, unless it is somebody else's by now. */
export function releasePrefix(paths: PrefixPaths, pid: number): void {
  if (readPid(paths.pid) !== pid) return
  for (const path of [paths.pid, paths.process, paths.reload]) rmSync(path, { force: true })
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  // A zombie takes signals, too, but serves nobody.
  return processState(pid)?.state !== 'Z'
}

function readPid(path: string): number | null {
  try {
    const pid = Number(readFileSync(path, 'utf8').trim())
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null
  } catch {
    return null
  }
}

function readStartTicks(path: string, pid: number): string | null {
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as { pid?: unknown; start_ticks?: unknown }
    return record.pid === pid && typeof record.start_ticks === 'string' ? record.start_ticks : null
  } catch {
    return null
  }
}

/** When the process began, in the kernel's ticks since boot; null where there is no /proc. */
function startTicks(pid: number): string | null {
  return processState(pid)?.startTicks ?? null
}

function processState(pid: number): { state: string; startTicks: string } | null {
  try {
    // The command name, in parentheses, may itself hold spaces and parentheses.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0]!, startTicks: fields[19]! }
  } catch {
    return null
  }
}
