/** The composition root: which parts a node of each role has. Only this file reads the role. */
import { hostname } from 'node:os'
import { systemClock } from './base/clock.ts'
import { createCountedClock } from './base/counted-clock.ts'
import { systemRandom } from './base/random.ts'
import type { NodeHandle, StartOptions } from './cli/node-handle.ts'
import { loadNodeId } from './cluster/node-id.ts'
import { WorkerForks, workerCount } from './node/fork-worker.ts'
import { LevelHold } from './node/level-hold.ts'
import { Endings, type NodeContext } from './node/node-context.ts'
import type { Settings } from './settings/definition.ts'

/** Loaded when it is known which one this is: a data plane needs half the modules that a control plane has. */
const STARTERS = {
  admin: async () => (await import('./node/control-plane-node.ts')).startControlPlaneNode,
  proxy: async () => (await import('./node/data-plane-node.ts')).startDataPlaneNode,
  traditional: async () => (await import('./node/traditional-node.ts')).startTraditionalNode,
} as const

const TITLES = { admin: 'control plane', proxy: 'data plane', traditional: 'traditional node' } as const

/** Resolves when the node accepts connections; rejects, with nothing left open, when it cannot. */
export async function startNode(options: StartOptions): Promise<NodeHandle> {
  const { settings, log } = options
  const nodeId = loadNodeId({ prefix: settings.prefix, configured: settings.node_id, random: systemRandom })
  const endings = new Endings()
  const clock = createCountedClock(systemClock)
  const level = new LevelHold(log, clock)
  const workerForks = new WorkerForks()
  endings.add(() => workerForks.end())
  if (settings.role !== 'admin') workerForks.forkAhead(workerCount(settings))
  // What follows is loaded while the workers load theirs.
  const { nodeCatalog } = await import('./node/enabled-plugins.ts')
  const context: NodeContext = {
    ...options,
    level,
    clock,
    random: systemRandom,
    hostname: hostname(),
    nodeId,
    catalog: nodeCatalog(settings),
    workerForks,
  }
  for (const warning of options.warnings) log.warn(warning)
  const startRole = await STARTERS[settings.role]()
  const node = await startRole(context, endings).catch(async (error: unknown) => {
    await endings.run()
    throw error
  })
  const finished = Promise.withResolvers<{ reason: string }>()
  const describe = () => [`${titleOf(settings)} ${nodeId}`, ...node.describe()]
  return {
    role: settings.role,
    nodeId,
    describe,
    async reload(loaded) {
      const before = level.configured
      level.configure(loaded.settings.log_level)
      await node.reload(loaded).catch((error: unknown) => {
        level.configure(before)
        throw error
      })
    },
    async replaceConfiguration(config) {
      if (node.replaceConfiguration === undefined) throw new Error('this node takes its configuration from a database')
      await node.replaceConfiguration(config)
    },
    reopenLogs: () => node.reopenLogs(),
    async quit(timeoutMs) {
      await node.quit(timeoutMs)
      finished.resolve({ reason: 'quit' })
    },
    async stop() {
      await node.stop()
      finished.resolve({ reason: 'stop' })
    },
    finished: finished.promise,
  }
}

function titleOf({ role, storage }: Settings): string {
  return role === 'traditional' && storage === 'memory' ? 'node without a database' : TITLES[role]
}
