/** A process of the store contract: waits for a word, then tries to insert one house. Exit 0: inserted; 3: refused. */
import { once } from 'node:events'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { openCassandraStore } from '../../src/store/cassandra/open-cassandra-store.ts'
import { openEmbeddedStore } from '../../src/store/embedded/open-embedded-store.ts'
import { StoreError } from '../../src/store/errors.ts'
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts'
import type { EntityStore } from '../../src/store/store.ts'
import { contractCatalog } from './store.catalog.ts'
import { type RacePlace, rowBuilders } from './store.kit.ts'

const [place, name] = process.argv.slice(2) as [string, string]
const { path, postgres, cassandra } = JSON.parse(place) as RacePlace
const options = { catalog: contractCatalog, clock: systemClock }
const store = await open()
process.stdout.write('ready')
await once(process.stdin, 'data')
try {
  await store.transaction(tx => tx.insert('houses', rowBuilders(systemRandom).house({ name })))
} catch (error) {
  if (!(error instanceof StoreError) || error.kind !== 'unique_violation') throw error
  process.exitCode = 3
}
await store.close()
process.stdin.destroy()

function open(): Promise<EntityStore> {
  if (path !== undefined) return openEmbeddedStore({ path, ...options })
  if (postgres !== undefined) return openPostgresStore({ options: postgres, ...options })
  return openCassandraStore({ options: cassandra!, ...options })
}
