/** The embedded store keeps the store contract, and what is particular to a file. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { EMPTY_CONFIG_HASH } from '../../src/entities/config.ts'
import { openEmbeddedStore } from '../../src/store/embedded/open-embedded-store.ts'
import { MIGRATIONS } from '../../src/store/migrations/all.ts'
import { contractCatalog } from './store.catalog.ts'
import { storeContract } from './store.contract.ts'
import { type OpenStore, raceProcesses } from './store.kit.ts'
import { storeChangesContract } from './store-changes.contract.ts'
import { storeReadsContract } from './store-reads.contract.ts'

const folder = mkdtempSync(join(tmpdir(), 'store-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const nextPath = () => join(folder, `store-${(files += 1)}`, 'silverback.db')

const openStore: OpenStore = async options => {
  const path = nextPath()
  const open = () => openEmbeddedStore({ path, catalog: contractCatalog, pollMs: 5, ...options })
  const store = await open()
  return {
    store,
    another: open,
    race: (name, count) => raceProcesses({ path }, name, count),
    close: () => store.close(),
  }
}
storeContract('embedded', openStore)
storeChangesContract('embedded', openStore)
storeReadsContract('embedded', async (rows, { clock }) => {
  const store = await openEmbeddedStore({ path: nextPath(), catalog: contractCatalog, clock })
  await store.transaction(async tx => {
    for (const { entity, row } of rows) await tx.insert(entity, row)
  })
  return store
})

describe('openEmbeddedStore()', () => {
  const options = { catalog: contractCatalog, clock: systemClock }

  test('openEmbeddedStore() creates folder and files for the owner only', async () => {
    const path = nextPath()
    const store = await openEmbeddedStore({ path, ...options })
    await store.records.put('any', 'key', { value: 1 })
    const directory = join(path, '..')
    assert.equal(statSync(directory).mode & 0o777, 0o700)
    for (const file of readdirSync(directory)) assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600, file)
    await store.close()
  })

  test('openEmbeddedStore() may be called by several at once on a new file', async () => {
    const path = nextPath()
    const stores = await Promise.all(Array.from({ length: 4 }, () => openEmbeddedStore({ path, ...options })))
    await Promise.all(
      stores.map((store, at) => store.transaction(tx => tx.insert('facts', { key: `fact-${at}`, value: null }))),
    )
    assert.equal((await stores[0]!.page('facts', { size: 10, after: null })).rows.length, 4)
    for (const store of stores) await store.close()
  })

  test('openEmbeddedStore() keeps what was written before', async () => {
    const path = nextPath()
    const first = await openEmbeddedStore({ path, ...options })
    await first.transaction(tx => tx.insert('facts', { key: 'a', value: 'b' }))
    const head = await first.head()
    await first.close()
    const second = await openEmbeddedStore({ path, ...options })
    assert.deepEqual(await second.find('facts', 'a'), { key: 'a', value: 'b' })
    assert.deepEqual(await second.head(), head)
    await second.close()
  })

  test('openEmbeddedStore() refuses a file of a newer version, and says so', async () => {
    const path = nextPath()
    const newer = { number: 9999, name: 'from the future', statements: ['create table "later" ("a" text)'] }
    await (await openEmbeddedStore({ path, ...options, migrations: [...MIGRATIONS, newer] })).close()
    await assert.rejects(openEmbeddedStore({ path, ...options }), /9999 \('from the future'\).*newer version/)
  })

  test('openEmbeddedStore() undoes a migration that fails half-way', async () => {
    const path = nextPath()
    const broken = { number: 9999, name: 'broken', statements: ['create table "half" ("a" text)', 'nonsense'] }
    await assert.rejects(openEmbeddedStore({ path, ...options, migrations: [...MIGRATIONS, broken] }), /nonsense/)
    const file = new DatabaseSync(path)
    assert.equal(file.prepare(`select count(*) as n from sqlite_master where name = 'half'`).get()?.['n'], 0)
    file.close()
    await (await openEmbeddedStore({ path, ...options })).close()
  })

  test('openEmbeddedStore() counts a change of the shape of rows as a new version that has no delta', async () => {
    const path = nextPath()
    const first = await openEmbeddedStore({ path, ...options })
    await first.transaction(tx => tx.insert('facts', { key: 'a', value: 'b' }))
    const before = await first.head()
    await first.close()
    const file = new DatabaseSync(path)
    file.exec(`update config_state set shape = 'as in another release', config_hash = '${'f'.repeat(32)}'`)
    file.close()
    const second = await openEmbeddedStore({ path, ...options })
    assert.deepEqual(await second.head(), { ...before, version: before.version + 1 })
    assert.equal(await second.changesSince(before.version), null)
    await second.close()
  })

  test('openEmbeddedStore() names the file that it cannot open', async () => {
    const path = join(folder, 'no-database')
    writeFileSync(path, 'something else entirely, and long enough to be looked at'.repeat(20))
    await assert.rejects(openEmbeddedStore({ path, ...options }), /no-database': file is not a database/)
  })

  test('delete() takes along rows of entities that this process does not know', async () => {
    const path = nextPath()
    const whole = await openEmbeddedStore({ path, ...options })
    const [house, pass] = [randomUUID(), randomUUID()]
    await whole.transaction(async tx => {
      await tx.insert('houses', { id: house, name: 'shared', open: true })
      await tx.insert('passes', { id: pass, code: 'x', house: { id: house }, ttl: null })
    })
    await whole.close()
    const { definitions, references } = contractCatalog
    const lesser = {
      ...contractCatalog,
      definitions: definitions.filter(({ name }) => name !== 'passes'),
      references: (name: string) => references(name).filter(({ entity }) => entity.name !== 'passes'),
    }
    const store = await openEmbeddedStore({ path, ...options, catalog: lesser })
    await store.transaction(tx => tx.delete('houses', house))
    await store.close()
    const again = await openEmbeddedStore({ path, ...options })
    assert.equal(await again.find('passes', pass), null)
    assert.equal((await again.head()).config_hash, EMPTY_CONFIG_HASH)
    await again.close()
  })

  test('close() refuses later writes', async () => {
    const store = await openEmbeddedStore({ path: nextPath(), ...options })
    await store.close()
    await assert.rejects(store.records.put('any', 'key', {}), /closed/)
  })
})
