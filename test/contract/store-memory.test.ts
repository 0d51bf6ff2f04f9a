/** The store over a declarative configuration reads like any other and refuses every write. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { EMPTY_HEAD, type Row } from '../../src/entities/config.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { contractCatalog } from './store.catalog.ts'
import { exported, hashOf, refuses, rowBuilders, seed } from './store.kit.ts'
import { storeReadsContract } from './store-reads.contract.ts'

storeReadsContract('memory', async (rows, { clock }) => {
  const store = createMemoryStore({ catalog: contractCatalog, clock })
  await store.replace(rows)
  return store
})

describe(`createMemoryStore() (SEED=${seed})`, () => {
  const build = rowBuilders(seededRandom(seed))
  const open = (changesKept = 100) => createMemoryStore({ catalog: contractCatalog, clock: systemClock, changesKept })
  const houses = (rows: readonly Row[]) => rows.map(row => ({ entity: 'houses', row }))

  test('replace() makes a version only when rows differ, and tells of it', async () => {
    const store = open()
    const heads: unknown[] = []
    store.onHead(head => heads.push(head))
    assert.deepEqual(await store.head(), EMPTY_HEAD)
    const rows = houses([build.house(), build.house()])
    const head = await store.replace(rows)
    assert.equal(head.version, 1)
    assert.deepEqual(await store.replace(rows.toReversed()), head)
    assert.deepEqual(heads, [head])
  })

  test('page() has a next after every full page, as Kong without a database, and the last one may be empty', async () => {
    const store = open()
    await store.replace(houses([build.house(), build.house(), build.house(), build.house()]))
    const sizes: number[] = []
    let after: string | null = null
    do {
      const page: { rows: readonly Row[]; next: string | null } = await store.page('houses', { size: 2, after })
      sizes.push(page.rows.length)
      after = page.next
    } while (after !== null)
    assert.deepEqual(sizes, [2, 2, 0])
  })

  test('changesSince() turns any kept version into the present one', async () => {
    const store = open(1000)
    const random = seededRandom(seed)
    let rows = Array.from({ length: 20 }, () => build.house())
    const copies: Map<string, Row>[] = []
    for (let step = 0; step < 20; step += 1) {
      await store.replace(houses(rows))
      copies.push(await exported(store))
      rows = rows.filter(() => random.next() < 0.9).map(row => (random.next() < 0.2 ? { ...row, size: step } : row))
      rows.push(build.house())
    }
    for (const [at, copy] of copies.entries()) {
      const delta = (await store.changesSince(at + 1))!
      for (const { entity, key, row } of delta.changes) {
        if (row === null) copy.delete(`${entity} ${key}`)
        else copy.set(`${entity} ${key}`, row)
      }
      assert.equal(hashOf(copy), delta.config_hash)
    }
  })

  test('changesSince() gives null for what it no longer knows, and for the future', async () => {
    const store = open(3)
    for (let step = 0; step < 5; step += 1) await store.replace(houses([build.house()]))
    assert.equal(await store.changesSince(0), null)
    assert.equal((await store.changesSince(4))?.changes.length, 2)
    assert.equal(await store.changesSince(6), null)
  })

  test('replace() refuses two rows with one key or name, and keeps what it has', async () => {
    const store = open()
    const house = build.house()
    const head = await store.replace(houses([house]))
    await refuses(store.replace(houses([house, house])), 'primary_key_violation', { id: house['id'] })
    const namesake = build.house({ name: house['name'] })
    await refuses(store.replace(houses([house, namesake])), 'unique_violation', { name: house['name'] })
    assert.deepEqual(await store.head(), head)
  })

  test('transaction() is refused', async () => {
    await refuses(
      open().transaction(async () => {}),
      'operation_unsupported',
      undefined,
    )
  })

  test('records keep values until they expire, and compare before they write', async () => {
    let now = 1000
    const { records } = createMemoryStore({ catalog: contractCatalog, clock: { ...systemClock, now: () => now } })
    await records.put('planes', 'b', { ip: '::1' }, 2000)
    await records.put('planes', 'a', { ip: '::2' })
    assert.equal(await records.putIf('planes', 'a', { ip: '::3' }, null), false)
    assert.equal(await records.putIf('planes', 'a', { ip: '::3' }, { ip: '::2' }), true)
    assert.deepEqual(
      (await records.list('planes')).map(({ key }) => key),
      ['a', 'b'],
    )
    now = 2000
    assert.equal(await records.get('planes', 'b'), null)
    assert.equal(await records.putIf('planes', 'b', { ip: '::4' }, null), true)
    assert.deepEqual(await records.get('planes', 'a'), { ip: '::3' })
  })
})
