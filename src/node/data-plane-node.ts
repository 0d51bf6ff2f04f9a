/** A data plane: workers, the saved configuration they start from, and the connection to a control plane. */
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { KONG_VERSION, SILVERBACK_VERSION } from '../base/version.ts'
import { createDataPlaneClient, type DataPlaneClient } from '../cluster/data-plane-client.ts'
import { createTunnel, type ProxyServer, type Tunnel } from '../cluster/proxy-tunnel.ts'
import type { SavedConfig } from '../cluster/saved-config.ts'
import type { Settings } from '../settings/definition.ts'
import type { NodeView } from './node-view.ts'
import { readerOf } from './config-copy.ts'
import { HealthFeed } from './health-feed.ts'
import { NodeApis } from './node-apis.ts'
import { openNodeConfig } from './node-config.ts'
import type { Endings, NodeContext, RunningNode } from './node-context.ts'
import { ProxyHalf } from './proxy-half.ts'
import { trustedCertificates } from './proxy-settings-from.ts'

/** How long workers of before a reload may finish what they have. */
const RELOAD_DRAIN_MS = 60_000

export async function startDataPlaneNode(context: NodeContext, endings: Endings): Promise<RunningNode> {
  const { settings, log, clock, random, nodeId, hostname, workerForks } = context
  const saved = openNodeConfig(context, endings)
  const proxy = new ProxyHalf({ copy: saved, workerForks, settings, nodeId, hostname, log, clock, random })
  endings.add(() => proxy.stop())
  await proxy.start()

  const health = new HealthFeed(proxy.health)
  let client = await connect(context, proxy, { saved, health })
  let connection = connectionKey(settings)
  endings.add(() => client.stop())

  const view = viewOf(proxy, saved, () => client)
  const apis = new NodeApis(view, null)
  endings.add(() => apis.close(0))
  await apis.open(context)
  return {
    describe: () => [
      ...proxy.describe(),
      ...apis.describe(),
      `control planes: ${settings.cluster_control_plane.map(({ host, port }) => `${host}:${port}`).join(', ')}`,
      saved.isConfigured()
        ? 'serving its saved configuration'
        : 'no configuration yet: answers 503 until a control plane sends one',
    ],
    async reload(loaded) {
      const next = { ...context, settings: loaded.settings, loaded }
      await proxy.reload(loaded.settings, RELOAD_DRAIN_MS)
      await apis.reload(next)
      if (connectionKey(loaded.settings) === connection) return
      await client.stop()
      client = await connect(next, proxy, { saved, health })
      connection = connectionKey(loaded.settings)
    },
    reopenLogs: () => proxy.supervisor.reopenLogs(),
    async quit(timeoutMs) {
      await Promise.all([apis.close(timeoutMs), proxy.supervisor.drain(timeoutMs)])
      await endings.run()
    },
    stop: () => endings.run(),
  }
}

async function connect(
  context: NodeContext,
  proxy: ProxyHalf,
  { saved, health }: { readonly saved: SavedConfig; readonly health: HealthFeed },
): Promise<DataPlaneClient> {
  const { settings, log, clock, random, nodeId, hostname } = context
  const client = await createDataPlaneClient({
    sink: proxy.supervisor,
    check: delta => saved.check(delta),
    health,
    controlPlanes: settings.cluster_control_plane,
    node: {
      node_id: nodeId,
      hostname,
      version: KONG_VERSION,
      labels: labelsOf(settings.cluster_dp_labels),
      capabilities: [`silverback/${SILVERBACK_VERSION}`],
    },
    trust: trustOf(settings),
    ...tunnelOf(settings, clock),
    clock,
    random,
    logger: log,
  })
  client.start()
  return client
}

/** A reload that changes any of these needs a new connection. */
function connectionKey(settings: Settings): string {
  return JSON.stringify([
    settings.cluster_control_plane,
    settings.cluster_dp_labels,
    trustOf(settings),
    proxyOf(settings),
  ])
}

function viewOf(proxy: ProxyHalf, saved: SavedConfig, client: () => DataPlaneClient): NodeView {
  return {
    proxy,
    control: null,
    cluster: null,
    entities: readerOf(saved),
    configurationHash: () => saved.head().config_hash,
    controlPlaneConnected: () => client().status().isConnected,
    certificateExpiry: () => {
      const expiresAt = client().status().certificateExpiresAt
      return expiresAt === null ? null : Math.floor(expiresAt / 1000)
    },
    async notReady() {
      if (proxy.supervisor.readyCount === 0) return 'no worker is ready'
      return saved.isConfigured() ? null : 'no configuration available (configuration hash is not initialized)'
    },
  }
}

/** `key:value`, split at the first colon; checked when settings are loaded. */
function labelsOf(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map(label => [label.slice(0, label.indexOf(':')), label.slice(label.indexOf(':') + 1)]),
  )
}

function proxyOf(settings: Settings): ProxyServer | null {
  if (!settings.cluster_use_proxy || settings.proxy_server === null) return null
  const authorities = trustedCertificates(settings.lua_ssl_trusted_certificate)
  return { url: settings.proxy_server, verifies: settings.proxy_server_ssl_verify, authorities }
}

function tunnelOf(settings: Settings, clock: Clock): { readonly tunnel?: Tunnel } {
  const proxy = proxyOf(settings)
  return proxy === null ? {} : { tunnel: createTunnel(proxy, clock) }
}

function trustOf(settings: Settings) {
  const { cluster_mtls, cluster_cert, cluster_cert_key, cluster_ca_cert, cluster_server_name } = settings
  if (cluster_mtls === 'enroll') {
    return {
      mode: 'enroll',
      identityFolder: join(settings.prefix, 'cluster'),
      token: settings.cluster_join_token,
      ca: cluster_ca_cert,
    } as const
  }
  const own = { certificate: cluster_cert!, key: cluster_cert_key! }
  if (cluster_mtls === 'shared') return { mode: 'shared', ...own } as const
  return { mode: 'pki', ...own, ca: cluster_ca_cert, serverName: cluster_server_name } as const
}
