/** Runs `bin/kong` as a user would, with nothing of the own environment but what it needs. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { pause } from '../../src/base/pause.ts'

const KONG = fileURLToPath(new URL('../../bin/kong', import.meta.url))

export interface KongResult {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface KongOptions {
  readonly folder: string
  /** `KONG_` is put before names in lower case. */
  readonly settings?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
}

export function spawnKong(args: readonly string[], { folder, settings = {}, env = {} }: KongOptions): ChildProcess {
  const { PATH = '', HOME = '' } = process.env
  const own = Object.entries(settings).map(([name, value]) => [`KONG_${name.toUpperCase()}`, value])
  return spawn(KONG, args, { cwd: folder, env: { PATH, HOME, ...Object.fromEntries(own), ...env } })
}

export async function kong(args: readonly string[], options: KongOptions): Promise<KongResult> {
  const child = spawnKong(args, options)
  let out = ''
  let err = ''
  child.stdout!.on('data', chunk => (out += chunk))
  child.stderr!.on('data', chunk => (err += chunk))
  child.stdin!.end()
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? -1, out, err }
}

/** Ports that nobody listens on at the moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

/** Waits for what has no event of its own; fails after ten seconds. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`waited ten seconds for: ${what}`)
    await pause(10)
  }
}
