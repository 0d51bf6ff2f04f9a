/** A control plane: store, Admin API and the cluster listener; it proxies nothing. */
import { createControlPlaneServer } from '../cluster/control-plane-server.ts'
import { formatAddress, type ListenAddress } from '../base/listen-address.ts'
import { KONG_VERSION } from '../base/version.ts'
import type { Settings } from '../settings/definition.ts'
import type { Row } from '../entities/config.ts'
import type { Page } from '../store/store.ts'
import { createClusterHealth } from './cluster-health.ts'
import { openClusterMarks } from './cluster-marks.ts'
import { type ControlHalf, openControlHalf } from './control-half.ts'
import { createLogLevelControl } from './log-level.ts'
import type { NodeView } from './node-view.ts'
import { NodeApis } from './node-apis.ts'
import type { Endings, NodeContext, RunningNode } from './node-context.ts'

export async function startControlPlaneNode(context: NodeContext, endings: Endings): Promise<RunningNode> {
  const { settings, log, clock, random, nodeId } = context
  const control = await openControlHalf(context)
  endings.add(() => control.close())
  const cluster = await createControlPlaneServer({
    source: control.source,
    records: control.store.records,
    nodeId,
    version: KONG_VERSION,
    trust: trustOf(settings),
    purgeDelaySeconds: settings.cluster_data_plane_purge_delay,
    clock,
    random,
    logger: log,
    spoolFolder: settings.prefix,
  })
  endings.add(() => cluster.close())
  const clusterAddresses: ListenAddress[] = []
  for (const address of settings.cluster_listen) {
    clusterAddresses.push({ ...address, ...(await cluster.open(address)), ssl: true })
  }

  const marks = await openClusterMarks(control, context, all => cluster.tellMarks(all))
  endings.add(() => marks.close())
  const upstreamHealth = createClusterHealth({
    views: cluster.health,
    marks,
    targetsOf: ({ id }) => targetsOf(control, String(id)),
  })

  const view: NodeView = {
    proxy: null,
    control,
    cluster: cluster.admin,
    entities: null,
    configurationHash: null,
    controlPlaneConnected: null,
    certificateExpiry: null,
    notReady: async () => ((await control.store.ping()) ? null : 'the database does not answer'),
  }
  const apis = new NodeApis(view, {
    control,
    databaseLess: null,
    logLevel: createLogLevelControl(context, null, control.events),
    upstreamHealth,
  })
  endings.add(() => apis.close(0))
  await apis.open(context)
  return {
    describe: () => [
      ...apis.describe(),
      ...clusterAddresses.map(address => `data planes connect to ${formatAddress(address)}`),
    ],
    async reload(loaded) {
      cluster.revoke(loaded.settings.cluster_crl)
      await apis.reload({ ...context, settings: loaded.settings, loaded })
    },
    reopenLogs() {},
    async quit(timeoutMs) {
      await apis.close(timeoutMs)
      await endings.run()
    },
    stop: () => endings.run(),
  }
}

async function targetsOf({ store }: ControlHalf, upstream: string): Promise<Row[]> {
  const rows: Row[] = []
  let after: string | null = null
  do {
    const page: Page = await store.page('targets', { size: 1000, after, where: { upstream } })
    rows.push(...page.rows)
    after = page.next
  } while (after !== null)
  return rows
}

function trustOf(settings: Settings) {
  const { cluster_mtls, cluster_cert, cluster_cert_key, cluster_ca_cert, cluster_auto_approve, cluster_crl } = settings
  if (cluster_mtls === 'enroll')
    return { mode: 'enroll', autoApproveLoopback: cluster_auto_approve === 'loopback' } as const
  const own = { certificate: cluster_cert!, key: cluster_cert_key! }
  return cluster_mtls === 'shared'
    ? ({ mode: 'shared', ...own } as const)
    : ({ mode: 'pki', ...own, ca: cluster_ca_cert!, crl: cluster_crl } as const)
}
