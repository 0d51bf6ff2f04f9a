/** Several control planes on one PostgreSQL database, and data planes that know all of them. */
import type { TestContext } from 'node:test'
import { connect, createServer, type Socket } from 'node:net'
import type { PostgresOptions } from '../../src/store/postgres/connection-options.ts'
import { aNode, freePort, type TestNode } from './nodes.ts'
import { postgresSettings } from './postgres.ts'
import { send } from './traffic.ts'

export type ControlPlaneNode = TestNode & { readonly admin: string; readonly clusterPort: number }
export type DataPlaneNode = TestNode & { readonly proxy: string }

/** Not started yet; the first to start makes the tables. */
export async function aControlPlane(
  t: TestContext,
  database: PostgresOptions,
  settings: Record<string, string> = {},
): Promise<ControlPlaneNode> {
  const [adminPort, clusterPort] = [await freePort(), await freePort()]
  const node = aNode(t, {
    role: 'admin',
    admin_listen: `127.0.0.1:${adminPort}`,
    cluster_listen: `127.0.0.1:${clusterPort}`,
    status_listen: 'off',
    ...postgresSettings(database),
    ...settings,
  })
  return Object.assign(node, { admin: `http://127.0.0.1:${adminPort}`, clusterPort })
}

export async function controlPlanes(
  t: TestContext,
  database: PostgresOptions,
  { count = 2, settings = {} }: { count?: number; settings?: Record<string, string> } = {},
): Promise<ControlPlaneNode[]> {
  const nodes = []
  for (let at = 0; at < count; at += 1) nodes.push(await aControlPlane(t, database, settings))
  const { status, stdout, stderr } = await nodes[0]!.kong('migrations', 'bootstrap')
  if (status !== 0) throw new Error(`kong migrations bootstrap: ${stdout}${stderr}`)
  await Promise.all(nodes.map(node => node.start()))
  return nodes
}

/** Started; it prefers the control planes in the order given. */
export async function aDataPlaneOf(
  t: TestContext,
  ports: readonly number[],
  settings: Record<string, string> = {},
): Promise<DataPlaneNode> {
  const proxyPort = await freePort()
  const node = aNode(t, {
    role: 'proxy',
    storage: 'memory',
    cluster_control_plane: ports.map(port => `127.0.0.1:${port}`).join(','),
    proxy_listen: `127.0.0.1:${proxyPort}`,
    status_listen: 'off',
    nginx_worker_processes: '1',
    ...settings,
  })
  await node.start()
  return Object.assign(node, { proxy: `http://127.0.0.1:${proxyPort}` })
}

/** The nodes in `/clustering/status`, by id. */
export async function statusOf({ admin }: ControlPlaneNode): Promise<Record<string, { config_hash: string }>> {
  return (await send(`${admin}/clustering/status`)).json()
}

/** A way to a port that counts what comes back, and can be blocked: what is sent then is lost without a word. */
export interface Relay {
  readonly port: number
  readonly bytesBack: () => number
  block(): void
  unblock(): void
  cut(): void
}

export async function aRelay(t: TestContext, port: number): Promise<Relay> {
  let bytes = 0
  let isBlocked = false
  const sockets = new Set<Socket>()
  const server = createServer(near => {
    if (isBlocked) return void sockets.add(near.on('error', () => undefined))
    const far = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.on('data', data => {
        if (isBlocked) return
        if (from === far) bytes += data.length
        to.write(data)
      })
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    port: (server.address() as { port: number }).port,
    bytesBack: () => bytes,
    block() {
      isBlocked = true
    },
    unblock() {
      isBlocked = false
      for (const socket of sockets) socket.destroy()
    },
    cut() {
      for (const socket of sockets) socket.destroy()
    },
  }
}
