/** What benchmarks share: CPU and memory of processes, load, nodes, and a place for results. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { TestNode } from '../test/kit/nodes.ts'

/** Clock ticks of /proc/<pid>/stat. */
const TICKS_PER_SECOND = 100

/** CPU seconds, user and system, of all threads of a process so far. */
export function cpuSeconds(pid: number): { user: number; system: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { user: Number(fields[11]) / TICKS_PER_SECOND, system: Number(fields[12]) / TICKS_PER_SECOND }
}

/** Resident memory in MiB. */
export function residentMemory(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  return Number(line?.[1] ?? 0) / 1024
}

/** Highest resident memory in MiB so far. */
export function peakMemory(pid: number): number {
  const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  return Number(line?.[1] ?? 0) / 1024
}

/** Keeps a process, with all its threads, on some cores. */
export function pin(pid: number, cores: string): void {
  execFileSync('taskset', ['-a', '-p', '-c', cores, String(pid)], { stdio: 'ignore' })
}

export interface Load {
  readonly requests: number
  readonly failed: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface LoadOptions {
  readonly seconds: number
  readonly connections: number
  readonly cores?: string
  readonly headers?: Record<string, string>
  /** A Lua script for wrk, to send something else than GET. */
  readonly script?: string
}

/** Requests by wrk, on cores of its own. */
export async function load(
  url: string,
  { seconds, connections, cores = '1', headers = {}, script }: LoadOptions,
): Promise<Load> {
  const headerArguments = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const command = [
    '-c',
    cores,
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    '--timeout',
    '10s',
    ...headerArguments,
  ]
  if (script !== undefined) command.push('-s', script)
  command.push(url)
  const output = await run('taskset', command)
  const number = (pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? 0)
  const milliseconds = (percent: string) => {
    const match = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(output)
    return match === null ? 0 : Number(match[1]) * { us: 0.001, ms: 1, s: 1000 }[match[2] as 'us' | 'ms' | 's']
  }
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output)
  return {
    requests: number(/(\d+) requests in/),
    failed:
      number(/Non-2xx or 3xx responses: (\d+)/) + (socketErrors?.slice(1).reduce((sum, n) => sum + Number(n), 0) ?? 0),
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: milliseconds('50'),
    p99Ms: milliseconds('99'),
  }
}

export function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', data => (output += data))
    child.stderr.on('data', data => (output += data))
    child.once('error', reject)
    child.once('close', code =>
      code === 0 ? resolve(output) : reject(new Error(`${program} ended with ${code}: ${output}`)),
    )
  })
}

/** What a benchmark has started; ended and removed when it is over, however it ends. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'silverback-bench-'))
  readonly #endings: (() => unknown)[] = []

  node(name: string, settings: Record<string, string | number>): TestNode {
    const node = new TestNode(join(this.folder, name), { anonymous_reports: 'off', ...settings })
    this.atEnd(() => node.killAll())
    return node
  }
  atEnd(ending: () => unknown): void {
    this.#endings.push(ending)
  }
  async end(): Promise<void> {
    for (const ending of this.#endings.reverse()) await ending()
    rmSync(this.folder, { recursive: true, force: true })
  }
  /** Runs a benchmark to its end, whatever that is. */
  static async run(benchmark: (stage: Stage) => Promise<void>): Promise<void> {
    const stage = new Stage()
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => stage.end().then(() => process.exit(1)))
    try {
      await benchmark(stage)
    } finally {
      await stage.end()
    }
  }
}

export function median(values: readonly number[]): number {
  return percentile(values, 50)
}
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN
}

/** One line that says on what the figures were taken. */
export function machineLine(): string {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  return `commit ${commit}, Node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}`
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Children of a process. */
export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`)
    .flatMap(task => readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').trim().split(' '))
    .filter(Boolean)
    .map(Number)
}
