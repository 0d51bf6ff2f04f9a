/** A process that applies deltas and snapshots to a saved configuration until it is killed (saved-config.test.ts). */
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { systemRandom } from '../../src/base/random.ts'
import { openSavedConfig } from '../../src/cluster/saved-config.ts'
import type { ConfigChange } from '../../src/entities/config.ts'
import { hashOf } from './config-model.ts'

const [, , path, encryptionKey] = process.argv as unknown as [string, string, string, string | undefined]
const saved = openSavedConfig({
  path,
  encryptionKey: encryptionKey ?? null,
  entities: ['routes'],
  clock: systemClock,
  logger: silentLogger,
  random: systemRandom,
})
const ROWS = 200

/** Every row of a version carries its number, so that a mix of two versions shows. */
function rowsAt(version: number): ConfigChange[] {
  return Array.from({ length: ROWS }, (_, i) => ({ entity: 'routes', key: `r${i}`, row: { id: `r${i}`, version } }))
}

for (let { version } = saved.head(); ; version++) {
  const changes = rowsAt(version + 1)
  const head = { version: version + 1, config_hash: hashOf(changes) }
  if (version % 3 === 2) {
    const stage = saved.beginSnapshot(head)
    for (let i = 0; i < ROWS; i += 20) stage.add(changes.slice(i, i + 20))
    stage.commit()
  } else saved.applyDelta({ from: version, ...head, changes })
  process.stdout.write(`${head.version}\n`)
}
