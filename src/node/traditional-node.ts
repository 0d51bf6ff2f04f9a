/** A node that is both halves: its store feeds its own workers. Without a database, a declarative file is its store. */
import type { UpstreamHealth } from '../admin/admin-options.ts'
import { createLocalLink } from '../cluster/local-link.ts'
import type { ConfigSource } from '../cluster/link.ts'
import { EMPTY_CONFIG_HASH } from '../entities/config.ts'
import { type ConfigCopy, MemoryCopy, readerOf } from './config-copy.ts'
import { openNodeConfig } from './node-config.ts'
import { openClusterMarks } from './cluster-marks.ts'
import { type ControlHalf, openControlHalf } from './control-half.ts'
import { DeclarativeSource } from './declarative-source.ts'
import type { NodeView } from './node-view.ts'
import { createLogLevelControl } from './log-level.ts'
import { MarkKeeper } from './mark-keeper.ts'
import { NodeApis } from './node-apis.ts'
import type { Endings, NodeContext, RunningNode } from './node-context.ts'
import { ProxyHalf } from './proxy-half.ts'
import { createUpstreamHealth } from './target-health.ts'

/** How long workers of before a reload may finish what they have. */
const RELOAD_DRAIN_MS = 60_000

export async function startTraditionalNode(context: NodeContext, endings: Endings): Promise<RunningNode> {
  const { settings, catalog, log, clock, random, nodeId, hostname, workerForks } = context
  const control = await openControlHalf(context)
  endings.add(() => control.close())
  const saved = control.memory === null ? null : openNodeConfig(context, endings)
  const declarative = saved === null ? null : new DeclarativeSource(control.memory!, saved)
  await declarative?.load(context)

  const copy = saved ?? new MemoryCopy(catalog.definitions.map(definition => definition.name))
  await fill(copy, control.source)
  declarative?.noteSource()
  const proxy = new ProxyHalf({ copy, workerForks, settings, nodeId, hostname, log, clock, random })
  endings.add(() => proxy.stop())
  await proxy.start()
  const link = createLocalLink({
    source: control.source,
    sink: proxy.supervisor,
    clock,
    random,
    logger: log,
    onOutcome: (head, outcome) => declarative?.onOutcome(head, outcome),
  })
  endings.add(() => link.stop())
  await link.start()

  const upstreamHealth = await openUpstreamHealth(control, { context, proxy, endings })
  const view: NodeView = {
    proxy,
    control,
    cluster: null,
    entities: declarative === null ? null : readerOf(copy),
    configurationHash: declarative === null ? null : () => declarative.currentHash(),
    controlPlaneConnected: null,
    certificateExpiry: null,
    async notReady() {
      if (proxy.supervisor.readyCount === 0) return 'no worker is ready'
      if (declarative !== null) {
        return declarative.currentHash() === EMPTY_CONFIG_HASH
          ? 'no configuration available (empty configuration present)'
          : null
      }
      return (await control.store.ping()) ? null : 'the database does not answer'
    },
  }
  const apis = new NodeApis(view, {
    control,
    databaseLess: declarative,
    logLevel: createLogLevelControl(context, proxy, control.events),
    upstreamHealth,
  })
  endings.add(() => apis.close(0))
  await apis.open(context)
  return {
    describe: () => [...proxy.describe(), ...apis.describe()],
    async reload(loaded) {
      const next = { ...context, settings: loaded.settings, loaded }
      await proxy.reload(loaded.settings, RELOAD_DRAIN_MS)
      await declarative?.reload(next)
      await apis.reload(next)
    },
    ...(declarative !== null && { replaceConfiguration: config => declarative.replace(config) }),
    reopenLogs: () => proxy.supervisor.reopenLogs(),
    async quit(timeoutMs) {
      await Promise.all([apis.close(timeoutMs), proxy.supervisor.drain(timeoutMs)])
      await endings.run()
    },
    stop: () => endings.run(),
  }
}

interface HealthParts {
  readonly context: NodeContext
  readonly proxy: ProxyHalf
  readonly endings: Endings
}

/** Health is a node's own affair; what is set by hand is meant for all nodes on the store, as in Kong. */
async function openUpstreamHealth(
  control: ControlHalf,
  { context, proxy, endings }: HealthParts,
): Promise<UpstreamHealth> {
  const local = createUpstreamHealth(proxy.health)
  if (!control.store.capabilities.sharedBetweenNodes) return local
  const keeper = new MarkKeeper(proxy.health)
  const marks = await openClusterMarks(control, context, all => keeper.take(all))
  endings.add(() => marks.close())
  return {
    ...local,
    /** Here first: it holds for requests that come after the answer. */
    async set(change) {
      const refusal = await local.set(change)
      if (refusal !== null) return refusal
      const { upstream, target, address, healthy } = change
      return marks.put({ upstream: String(upstream['id']), target: String(target['id']), address, healthy })
    },
  }
}

/** The workers start with what the store holds, be it nothing. */
async function fill(copy: ConfigCopy, source: ConfigSource): Promise<void> {
  const { head, batches } = await source.export()
  const writer = copy.beginSnapshot(head)
  for await (const changes of batches) writer.add(changes)
  writer.commit()
}
