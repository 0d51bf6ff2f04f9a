/** What every EntityStore must find, read-only ones included; run by each implementation's test. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { Row } from '../../src/entities/config.ts'
import type { EntityStore, Page, PageOptions, TagPage } from '../../src/store/store.ts'
import { exported, hashOf, rowBuilders, seed, shiftableClock } from './store.kit.ts'

export interface Filled {
  readonly entity: string
  readonly row: Row
}

/** `open` gives a store that holds exactly `rows`, parents first. */
export function storeReadsContract(
  name: string,
  open: (rows: readonly Filled[], options: { clock: Clock }) => Promise<EntityStore>,
): void {
  describe(`store reads contract: ${name} (SEED=${seed})`, () => {
    const clock = shiftableClock()
    const random = seededRandom(seed)
    const build = rowBuilders(random)
    const houses = Array.from({ length: 7 }, (_, at) => build.house({ tags: at % 2 === 0 ? ['even', 'all'] : ['all'] }))
    const rooms = houses.slice(0, 3).map((house, at): Row => ({ ...build.room(house), tags: [`room-${at}`, 'all'] }))
    const door = build.door({ kind: 'front', house: { id: houses[0]!['id'] } })
    const pass = { id: random.uuid(), code: 'brief', house: null, tags: null, ttl: clock.now() / 1000 + 3600 }
    const visit = { id: random.uuid(), guest: 'unseen' }
    const filled: Filled[] = [
      ...houses.map(row => ({ entity: 'houses', row })),
      ...rooms.map(row => ({ entity: 'rooms', row })),
      { entity: 'doors', row: door },
      { entity: 'passes', row: pass },
      { entity: 'visits', row: visit },
    ]
    let store: EntityStore
    before(async () => {
      store = await open(filled, { clock })
    })
    after(() => store.close())

    /** All keys of a filtered list, by pages of two. */
    async function keys(entity: string, options: Partial<PageOptions> = {}): Promise<unknown[]> {
      const found: unknown[] = []
      let next: string | null = null
      do {
        const page: Page = await store.page(entity, { ...options, size: 2, after: next })
        found.push(...page.rows.map(row => row['id']))
        next = page.next
      } while (next !== null)
      return found
    }
    const idsOf = (rows: readonly Row[]) => rows.map(row => row['id']).sort()

    test('find() and findBy() find each row by id, unique field and composite key, or nothing', async () => {
      for (const { entity, row } of filled) assert.deepEqual(await store.find(entity, row['id'] as string), row)
      assert.deepEqual(await store.findBy('rooms', { name: rooms[1]!['name'] as string }), rooms[1])
      const key = { kind: 'front', house: houses[0]!['id'] as string, room: null }
      assert.deepEqual(await store.findBy('doors', key), door)
      assert.equal(await store.findBy('doors', { ...key, kind: 'back' }), null)
      assert.equal(await store.find('houses', random.uuid()), null)
      assert.equal(await store.findBy('houses', { name: 'nobody' }), null)
    })

    test('page() lists all rows in order of their key, once', async () => {
      assert.deepEqual(await keys('houses'), idsOf(houses))
      assert.deepEqual(await keys('locks'), [])
    })

    test('page() filters by foreign key, and by all or any of several tags', async () => {
      const even = houses.filter((_, at) => at % 2 === 0)
      assert.deepEqual(await keys('houses', { tags: { all: ['even'] } }), idsOf(even))
      assert.deepEqual(await keys('houses', { tags: { all: ['even', 'all'] } }), idsOf(even))
      assert.deepEqual(await keys('houses', { tags: { all: ['even', 'none'] } }), [])
      assert.deepEqual(
        await keys('rooms', { tags: { any: ['room-0', 'room-2', 'none'] } }),
        idsOf([rooms[0]!, rooms[2]!]),
      )
      assert.deepEqual(await keys('rooms', { where: { house: houses[1]!['id'] as string } }), idsOf([rooms[1]!]))
      const both = { where: { house: houses[1]!['id'] as string }, tags: { all: ['room-0'] } }
      assert.deepEqual(await keys('rooms', both), [])
    })

    test('tags() lists which rows carry a tag, in pages', async () => {
      const found: TagPage['rows'][number][] = []
      let position: TagPage['next'] = null
      do {
        const page: TagPage = await store.tags({ size: 3, after: position, tag: 'all' })
        found.push(...page.rows)
        position = page.next
      } while (position !== null)
      const expected = [
        ...idsOf(houses).map(entity_id => ({ tag: 'all', entity_name: 'houses', entity_id })),
        ...idsOf(rooms).map(entity_id => ({ tag: 'all', entity_name: 'rooms', entity_id })),
      ]
      assert.deepEqual(found, expected)
      assert.equal((await store.tags({ size: 1000, after: null })).rows.length, 7 + 4 + 6)
    })

    test('export() holds what is exported, and head() its hash', async () => {
      const copy = await exported(store)
      const expected = filled.filter(({ entity }) => entity !== 'visits')
      assert.deepEqual([...copy.values()].map(row => row['id']).sort(), idsOf(expected.map(({ row }) => row)))
      assert.equal(hashOf(copy), (await store.head()).config_hash)
    })

    test('expired rows are not found', async () => {
      assert.deepEqual(await keys('passes'), [pass.id])
      clock.shift(3_601_000)
      assert.equal(await store.find('passes', pass.id), null)
      assert.equal(await store.findBy('passes', { code: 'brief' }), null)
      assert.deepEqual(await keys('passes'), [])
    })
  })
}
