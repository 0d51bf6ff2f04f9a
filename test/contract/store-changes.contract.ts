/** What every EntityStore must tell of its changes: versions, hash, deltas, exports; run by each implementation's test. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { type ConfigHead, EMPTY_HEAD, type Row } from '../../src/entities/config.ts'
import { canonicalJson } from '../../src/entities/config-digest.ts'
import { StoreError } from '../../src/store/errors.ts'
import type { EntityStore, StoreTransaction } from '../../src/store/store.ts'
import { contractCatalog } from './store.catalog.ts'
import {
  exported,
  hashOf,
  type OpenStore,
  type RowBuilders,
  rowBuilders,
  type StoreUnderTest,
  seed,
  shiftableClock,
} from './store.kit.ts'

export function storeChangesContract(name: string, open: OpenStore): void {
  describe(`store changes contract: ${name} (SEED=${seed})`, () => {
    const clock = shiftableClock()
    const random = seededRandom(seed)
    let under: StoreUnderTest
    let store: EntityStore
    const rows = rowBuilders(random)
    const insert = (entity: string, row: Row) => store.transaction(tx => tx.insert(entity, row))

    before(async () => {
      under = await open({ clock })
      store = under.store
    })
    after(() => under.close())

    test('head() stays the same for what is not exported', async () => {
      const head = await store.head()
      await insert('visits', { id: random.uuid(), guest: 'quiet' })
      assert.deepEqual(await store.head(), head)
    })

    test('changesSince() gives one entry a row, its last value, parents before children', async () => {
      const { version } = await store.head()
      const house = rows.house()
      const room = rows.room(house)
      await insert('houses', house)
      await insert('rooms', room)
      await store.transaction(tx => tx.update('houses', { ...house, size: 1 }))
      await store.transaction(tx => tx.update('houses', { ...house, size: 2 }))
      const delta = await store.changesSince(version)
      assert.deepEqual(delta, {
        ...(await store.head()),
        from: version,
        changes: [
          { entity: 'houses', key: house['id'], row: { ...house, size: 2 } },
          { entity: 'rooms', key: room['id'], row: room },
        ],
      })
      assert.deepEqual((await store.changesSince(delta!.version))?.changes, [])
      assert.equal(await store.changesSince(delta!.version + 1), null)
    })

    test('onHead() tells of own commits at once and of other connections within their polling', async () => {
      const heads: ConfigHead[] = []
      let arrived = () => {}
      const unsubscribe = store.onHead(head => {
        heads.push(head)
        arrived()
      })
      await insert('houses', rows.house())
      assert.deepEqual(heads, [await store.head()])
      const other = await under.another()
      const told = new Promise<void>(resolve => {
        arrived = resolve
      })
      await other.transaction(tx => tx.insert('houses', rows.house()))
      await told
      assert.deepEqual(heads.at(-1), await other.head())
      await other.close()
      unsubscribe()
    })

    test('export() shows one version, parents before children, however much is written meanwhile', async () => {
      const { head, batches } = await store.export()
      const copy = new Map<string, Row>()
      const ranks: number[] = []
      const rank = new Map(contractCatalog.definitions.map((definition, at) => [definition.name, at]))
      for await (const batch of batches) {
        await insert('houses', rows.house())
        for (const { entity, key, row } of batch) {
          ranks.push(rank.get(entity)!)
          copy.set(`${entity} ${key}`, row)
        }
      }
      assert.deepEqual(
        ranks,
        ranks.toSorted((a, b) => a - b),
      )
      assert.equal(hashOf(copy), head.config_hash)
      assert.notEqual((await store.head()).version, head.version)
    })

    test('export() may be left early', async () => {
      const { batches } = await store.export()
      for await (const batch of batches) {
        assert.ok(batch.length > 0)
        break
      }
    })

    test('random changes: deltas turn any earlier copy into the export, and the hash follows from the rows', async () => {
      const copies: { version: number; copy: Map<string, Row> }[] = []
      const living = new Map<string, Row[]>([
        ['houses', []],
        ['rooms', []],
        ['doors', []],
      ])
      for (let step = 0; step < 300; step += 1) {
        if (step % 60 === 0) copies.push({ version: (await store.head()).version, copy: await exported(store) })
        await store
          .transaction(tx => randomChange(tx, living, rows, random))
          .catch(error => assert.ok(error instanceof StoreError))
      }
      const whole = await exported(store)
      assert.equal(hashOf(whole), (await store.head()).config_hash)
      for (const { version, copy } of copies) {
        const delta = (await store.changesSince(version))!
        for (const { entity, key, row } of delta.changes) {
          if (row === null) copy.delete(`${entity} ${key}`)
          else copy.set(`${entity} ${key}`, row)
        }
        assert.equal(canonicalJson(Object.fromEntries(copy)), canonicalJson(Object.fromEntries(whole)))
      }
    })
  })

  describe(`store changes contract: ${name}, a log of 300 changes`, () => {
    test('changesSince() gives null once the log no longer reaches back, and whole deltas until then', async () => {
      const clock = shiftableClock()
      const under = await open({ clock, changesKept: 300 })
      const rows = rowBuilders(seededRandom(seed))
      try {
        assert.deepEqual(await under.store.head(), EMPTY_HEAD)
        for (let at = 0; at < 120; at += 1) {
          await under.store.transaction(async tx => {
            for (let row = 0; row < 5; row += 1) await tx.insert('houses', rows.house())
          })
        }
        assert.equal(await under.store.changesSince(0), null)
        let answered = 0
        for (let version = 0; version <= 120; version += 1) {
          const delta = await under.store.changesSince(version)
          if (delta === null) assert.equal(answered, 0)
          else {
            answered += 1
            assert.equal(delta.changes.length, (120 - version) * 5)
          }
        }
        assert.ok(answered >= 60 && answered <= 82, `${answered} versions are kept`)
        await under.store.transaction(async tx => {
          for (let row = 0; row < 500; row += 1) await tx.insert('houses', rows.house())
        })
        assert.equal(await under.store.changesSince(120), null)
        assert.deepEqual((await under.store.changesSince(121))?.changes, [])
      } finally {
        await under.close()
      }
    })
  })
}

async function randomChange(
  tx: StoreTransaction,
  living: Map<string, Row[]>,
  rows: RowBuilders,
  random: Random,
): Promise<void> {
  const pick = (entity: string) => living.get(entity)![Math.floor(random.next() * living.get(entity)!.length)]
  const reference = (row: Row | undefined) => (row === undefined ? null : { id: row['id'] })
  for (let count = 1 + Math.floor(random.next() * 3); count > 0; count -= 1) {
    const entity = ['houses', 'rooms', 'doors'][Math.floor(random.next() * 3)]!
    const dice = random.next()
    const known = pick(entity)
    if (dice < 0.5 || known === undefined) {
      const parent = pick('houses')
      if (entity === 'rooms' && parent === undefined) continue
      const row =
        entity === 'houses'
          ? rows.house()
          : entity === 'rooms'
            ? rows.room(parent!)
            : rows.door({ house: reference(parent), room: reference(pick('rooms')) })
      await tx.insert(entity, row)
      living.get(entity)!.push(row)
    } else if (dice < 0.8) {
      if ((await tx.find(entity, known['id'] as string)) === null) continue
      await tx.update(
        entity,
        entity === 'doors' ? { ...known, kind: random.uuid() } : { ...known, tags: [random.uuid()] },
      )
    } else {
      await tx.delete(entity, known['id'] as string)
      living.set(
        entity,
        living.get(entity)!.filter(row => row !== known),
      )
    }
  }
}
