/** A process of store-kill.test.ts: writes for ever, and prints each write once it is acknowledged. */
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { openEmbeddedStore } from '../../src/store/embedded/open-embedded-store.ts'
import { contractCatalog } from '../contract/store.catalog.ts'
import { rowBuilders } from '../contract/store.kit.ts'

const [path] = process.argv.slice(2) as [string]
const store = await openEmbeddedStore({ path, catalog: contractCatalog, clock: systemClock })
const rows = rowBuilders(systemRandom)

/** Inserts, updates and deletes; several at once, so that some share a commit. */
async function writeForEver(): Promise<never> {
  for (;;) {
    const [house, doomed] = [rows.house({ tags: ['t'] }), rows.house()]
    await store.transaction(async tx => {
      await tx.insert('houses', house)
      await tx.insert('houses', doomed)
    })
    acknowledged('put', house, 5)
    await store.transaction(tx => tx.update('houses', { ...house, size: 6 }))
    acknowledged('put', house, 6)
    await store.transaction(tx => tx.delete('houses', doomed['id'] as string))
    acknowledged('deleted', doomed, 0)
  }
}

function acknowledged(what: string, row: Readonly<Record<string, unknown>>, size: number): void {
  process.stdout.write(`${what} ${row['id']} ${size}\n`)
}

await Promise.all(Array.from({ length: 4 }, writeForEver))
