/** Simulated data planes in one process: `fleet-nodes.ts PORT COUNT FOLDER`; the sink of each only keeps its version. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../src/base/clock.ts'
import { silentLogger } from '../src/base/logger.ts'
import { systemRandom } from '../src/base/random.ts'
import { KONG_VERSION } from '../src/base/version.ts'
import { createDataPlaneClient } from '../src/cluster/data-plane-client.ts'
import type { ConfigSink } from '../src/cluster/link.ts'
import { type ConfigHead, EMPTY_HEAD } from '../src/entities/config.ts'

const [port, count, folder] = process.argv.slice(2)
const heads: ConfigHead[] = Array.from({ length: Number(count) }, () => EMPTY_HEAD)
let wanted = Number.POSITIVE_INFINITY

process.on('message', version => {
  wanted = version as number
  report()
})

function report(): void {
  if (!heads.every(head => head.version >= wanted)) return
  process.send!(wanted)
  wanted = Number.POSITIVE_INFINITY
}

function sinkOf(index: number): ConfigSink {
  const take = (head: ConfigHead) => {
    heads[index] = { version: head.version, config_hash: head.config_hash }
    report()
    return { ok: true } as const
  }
  return {
    head: () => heads[index]!,
    applyDelta: async delta => take(delta),
    async applySnapshot(head, batches) {
      for await (const _ of batches);
      return take(head)
    },
  }
}

for (let i = 0; i < heads.length; i++) {
  const identityFolder = join(folder!, String(i))
  mkdirSync(identityFolder, { recursive: true })
  const client = await createDataPlaneClient({
    sink: sinkOf(i),
    controlPlanes: [{ host: '127.0.0.1', port: Number(port) }],
    node: {
      node_id: systemRandom.uuid(),
      hostname: `simulated-${i}`,
      version: KONG_VERSION,
      labels: {},
      capabilities: [],
    },
    trust: { mode: 'enroll', identityFolder, token: null, ca: null },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  })
  client.start()
}
// The clock's timers do not keep a process alive; the parent's channel does.
process.on('disconnect', () => process.exit(0))
