/** A control plane and one data plane behind a counting relay, with a number of routes. */
import { Agent } from 'node:http'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, type TestNode } from '../test/kit/nodes.ts'
import { eventually, send } from '../test/kit/traffic.ts'
import { type CountingRelay, startRelay } from './counting-relay.ts'
import type { Stage } from './measure.ts'

export interface HybridPair {
  readonly admin: string
  readonly proxyPort: number
  readonly controlPlane: TestNode
  readonly dataPlane: TestNode
  readonly relay: CountingRelay
  readonly agent: Agent
}

/** Routes `/route-0` … on one service, loaded as one declarative file before the control plane starts. */
export async function startPair(stage: Stage, name: string, routes: number, upstreamPort: number): Promise<HybridPair> {
  const adminPort = await freePort()
  const clusterPort = await freePort()
  const proxyPort = await freePort()
  const controlPlane = stage.node(`${name}-cp`, {
    role: 'admin',
    admin_listen: `127.0.0.1:${adminPort}`,
    cluster_listen: `127.0.0.1:${clusterPort}`,
    status_listen: 'off',
    admin_access_log: 'off',
  })
  const file = join(stage.folder, `${name}.json`)
  const service = {
    name: 's',
    url: `http://127.0.0.1:${upstreamPort}`,
    routes: Array.from({ length: routes }, (_, i) => ({
      name: `route-${i}`,
      paths: [`/route-${i}`],
      strip_path: false,
    })),
  }
  writeFileSync(file, JSON.stringify({ _format_version: '3.0', services: [service] }))
  const imported = await controlPlane.kong('config', 'db_import', file)
  if (imported.status !== 0) throw new Error(`kong config db_import: ${imported.stdout}${imported.stderr}`)
  await controlPlane.start()
  const relay = await startRelay(stage, clusterPort)
  const dataPlane = stage.node(`${name}-dp`, {
    role: 'proxy',
    storage: 'memory',
    cluster_control_plane: `127.0.0.1:${relay.port}`,
    proxy_listen: `127.0.0.1:${proxyPort} reuseport backlog=16384`,
    status_listen: 'off',
    proxy_access_log: 'off',
    nginx_worker_processes: 1,
  })
  await dataPlane.start()
  await eventually(
    'the routes',
    async () => (await send(`http://127.0.0.1:${proxyPort}/route-0`)).status === 200,
    60_000,
  )
  const agent = new Agent({ keepAlive: true })
  stage.atEnd(() => agent.destroy())
  return { admin: `http://127.0.0.1:${adminPort}`, proxyPort, controlPlane, dataPlane, relay, agent }
}
