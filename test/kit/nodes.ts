/** Nodes of the real program for black-box tests: each with its own prefix and ports, all ended with the test. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export const KONG = join(import.meta.dirname, '../../bin/kong')

export interface CommandResult {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

/** A folder that goes away with the test. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'silverback-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export class TestNode {
  readonly prefix: string
  readonly environment: NodeJS.ProcessEnv

  constructor(prefix: string, settings: Record<string, string | number>) {
    this.prefix = prefix
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('KONG_'))
    const own = Object.entries(settings).map(([name, value]) => [`KONG_${name.toUpperCase()}`, String(value)])
    this.environment = { ...Object.fromEntries([...inherited, ...own]), KONG_PREFIX: prefix }
  }

  /** Runs `kong ARGUMENTS` with this node's settings. */
  kong(...args: readonly string[]): Promise<CommandResult> {
    return runKong(args, this.environment)
  }

  async start(): Promise<this> {
    const { status, stdout, stderr } = await this.kong('start')
    if (status !== 0) throw new Error(`kong start ended with ${status}: ${stdout}${stderr}\n${this.errorLog()}`)
    return this
  }
  stop(): Promise<CommandResult> {
    return this.kong('stop')
  }

  /** All processes of this node, found by their environment. */
  processIds(): number[] {
    const wanted = `KONG_PREFIX=${this.prefix}`
    return readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .filter(pid => {
        try {
          return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(wanted)
        } catch {
          return false
        }
      })
      .map(Number)
      .filter(pid => pid !== process.pid)
  }
  mainProcessId(): number {
    return Number(readFileSync(join(this.prefix, 'pids/nginx.pid'), 'utf8'))
  }
  workerProcessIds(): number[] {
    const main = this.mainProcessId()
    return this.processIds().filter(pid => pid !== main)
  }

  /** As if the machine had lost power: no process of the node gets to do anything more. */
  killAll(): void {
    for (const pid of this.processIds()) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended by itself in between.
      }
    }
  }

  errorLog(): string {
    try {
      return readFileSync(join(this.prefix, 'logs/error.log'), 'utf8').slice(-4000)
    } catch {
      return '(no error log)'
    }
  }
}

/** A node that is not started yet. */
export function aNode(t: TestContext, settings: Record<string, string | number>): TestNode {
  const node = new TestNode(join(temporaryFolder(t), 'prefix'), settings)
  t.after(() => node.killAll())
  return node
}

export interface Cluster {
  readonly controlPlane: TestNode & { readonly admin: string; readonly clusterPort: number }
  readonly dataPlanes: readonly (TestNode & { readonly proxyPort: number; readonly statusPort: number })[]
}

/** A control plane and data planes on ports of their own, started. */
export async function aCluster(
  t: TestContext,
  {
    dataPlanes = 1,
    cp = {},
    dp = {},
  }: { dataPlanes?: number; cp?: Record<string, string>; dp?: Record<string, string> } = {},
): Promise<Cluster> {
  const adminPort = await freePort()
  const clusterPort = await freePort()
  const controlPlane = Object.assign(
    aNode(t, {
      role: 'admin',
      admin_listen: `127.0.0.1:${adminPort}`,
      cluster_listen: `127.0.0.1:${clusterPort}`,
      status_listen: 'off',
      ...cp,
    }),
    { admin: `http://127.0.0.1:${adminPort}`, clusterPort },
  )
  await controlPlane.start()
  const planes = []
  for (let i = 0; i < dataPlanes; i++) planes.push(await aDataPlane(t, clusterPort, dp))
  await Promise.all(planes.map(plane => plane.start()))
  return { controlPlane, dataPlanes: planes }
}

/** A data plane that is not started yet. */
export async function aDataPlane(t: TestContext, clusterPort: number, settings: Record<string, string> = {}) {
  const proxyPort = await freePort()
  const statusPort = await freePort()
  return Object.assign(
    aNode(t, {
      role: 'proxy',
      storage: 'memory',
      cluster_control_plane: `127.0.0.1:${clusterPort}`,
      proxy_listen: `127.0.0.1:${proxyPort}`,
      status_listen: `127.0.0.1:${statusPort}`,
      nginx_worker_processes: '1',
      ...settings,
    }),
    { proxyPort, statusPort },
  )
}

export function runKong(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<CommandResult> {
  return new Promise(resolve => {
    const child = spawn(KONG, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', data => (stdout += data))
    child.stderr.on('data', data => (stderr += data))
    child.once('close', status => resolve({ status, stdout, stderr }))
  })
}
