/** What every EntityStore that can be written must do with rows; run for each implementation by its test. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import type { Row } from '../../src/entities/config.ts'
import type { EntityStore, Page, StoreTransaction } from '../../src/store/store.ts'
import { type OpenStore, refuses, rowBuilders, type StoreUnderTest, seed, shiftableClock } from './store.kit.ts'

export function storeContract(name: string, open: OpenStore): void {
  describe(`store contract: ${name} (SEED=${seed})`, () => {
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

    test('find() returns a row as it was inserted, whatever the types of its fields', async () => {
      const house = rows.house({
        price: 0.1,
        size: -7,
        open: false,
        colours: ['ä', '', '"'],
        details: { roof: null, deep: [{ x: 1.5 }] },
        tags: ['b', 'a'],
      })
      await insert('houses', house)
      assert.deepEqual(await store.find('houses', house['id'] as string), house)
      const bare = rows.house({ name: null, price: null, colours: null, details: null, tags: null })
      await insert('houses', bare)
      assert.deepEqual(await store.find('houses', bare['id'] as string), bare)
      const room = rows.room(house)
      await insert('rooms', room)
      assert.deepEqual(await store.find('rooms', room['id'] as string), room)
    })

    test('find() returns null for a key that is not there', async () => {
      assert.equal(await store.find('houses', random.uuid()), null)
      assert.equal(await store.findBy('houses', { name: 'nobody' }), null)
    })

    test('insert() keeps a primary key other than id', async () => {
      await insert('facts', { key: 'cluster_id', value: 'x' })
      assert.deepEqual(await store.find('facts', 'cluster_id'), { key: 'cluster_id', value: 'x' })
      await refuses(insert('facts', { key: 'cluster_id', value: 'y' }), 'primary_key_violation', { key: 'cluster_id' })
    })

    test('findBy() finds by a unique field and by a composite key with unset parts', async () => {
      const house = rows.house()
      await insert('houses', house)
      assert.deepEqual(await store.findBy('houses', { name: house['name'] as string }), house)
      const door = rows.door({ kind: 'front', house: { id: house['id'] } })
      await insert('doors', door)
      const key = { kind: 'front', house: house['id'] as string, room: null }
      assert.deepEqual(await store.findBy('doors', key), door)
      assert.equal(await store.findBy('doors', { ...key, kind: 'back' }), null)
    })

    test('insert() refuses a second row with the same primary key, unique value or composite key', async () => {
      const house = rows.house()
      await insert('houses', house)
      await refuses(insert('houses', rows.house({ id: house['id'] })), 'primary_key_violation', { id: house['id'] })
      await refuses(insert('houses', rows.house({ name: house['name'] })), 'unique_violation', { name: house['name'] })
      await insert('doors', rows.door({ kind: 'only', house: null }))
      const fields = { kind: 'only', house: null, room: null }
      await refuses(insert('doors', rows.door({ kind: 'only', house: null })), 'unique_violation', fields)
    })

    test('update() replaces the row, keeps unique values unique and refuses an unknown key', async () => {
      const [one, two] = [rows.house(), rows.house()]
      await insert('houses', one)
      await insert('houses', two)
      const changed = { ...one, size: 9, tags: ['new'], colours: null }
      await store.transaction(tx => tx.update('houses', changed))
      assert.deepEqual(await store.find('houses', one['id'] as string), changed)
      const clash = { ...two, name: one['name'] }
      await refuses(
        store.transaction(tx => tx.update('houses', clash)),
        'unique_violation',
        { name: one['name'] },
      )
      const unknown = rows.house()
      await refuses(
        store.transaction(tx => tx.update('houses', unknown)),
        'not_found',
        { id: unknown['id'] },
      )
    })

    test('insert() and update() refuse a foreign key that points nowhere', async () => {
      const reference = { id: random.uuid() }
      await refuses(insert('rooms', rows.room(reference)), 'foreign_key_violation', { house: reference })
      const house = rows.house()
      const room = rows.room(house)
      await insert('houses', house)
      await insert('rooms', room)
      const moved = { ...room, house: reference }
      await refuses(
        store.transaction(tx => tx.update('rooms', moved)),
        'foreign_key_violation',
        { house: reference },
      )
    })

    test('delete() refuses a parent whose children restrict it and leaves everything as it was', async () => {
      const house = rows.house()
      const [room, door] = [rows.room(house), rows.door({ house: { id: house['id'] } })]
      await store.transaction(async tx => {
        await tx.insert('houses', house)
        await tx.insert('rooms', room)
        await tx.insert('doors', door)
      })
      const deletion = store.transaction(tx => tx.delete('houses', house['id'] as string))
      await refuses(deletion, 'foreign_key_violation', { '@referenced_by': 'rooms' })
      assert.notEqual(await store.find('doors', door['id'] as string), null)
    })

    test('delete() takes cascading children along, at any depth, and tells of each in the change log', async () => {
      const house = rows.house()
      const door = rows.door({ house: { id: house['id'] } })
      const lock = { id: random.uuid(), door: { id: door['id'] } }
      await store.transaction(async tx => {
        await tx.insert('houses', house)
        await tx.insert('doors', door)
        await tx.insert('locks', lock)
      })
      const { version } = await store.head()
      await store.transaction(tx => tx.delete('houses', house['id'] as string))
      const delta = await store.changesSince(version)
      assert.deepEqual(
        delta?.changes.map(({ entity, key, row }) => [entity, key, row]),
        [
          ['locks', lock.id, null],
          ['doors', door['id'], null],
          ['houses', house['id'], null],
        ],
      )
      assert.equal(await store.find('locks', lock.id), null)
    })

    test('transaction() sees its own writes, and undoes all of them when its work rejects', async () => {
      const house = rows.house()
      const head = await store.head()
      const failing = store.transaction(async tx => {
        await tx.insert('houses', house)
        assert.deepEqual(await tx.find('houses', house['id'] as string), house)
        assert.deepEqual(await tx.findBy('houses', { name: house['name'] as string }), house)
        throw new Error('never mind')
      })
      await assert.rejects(failing, /never mind/)
      assert.equal(await store.find('houses', house['id'] as string), null)
      assert.deepEqual(await store.head(), head)
    })

    test('transaction() keeps the good ones of many concurrent ones, one version each', async () => {
      const { version } = await store.head()
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, (_, at) =>
          store.transaction(async tx => {
            await tx.insert('houses', rows.house({ name: `concurrent-${at >> 1}` }))
          }),
        ),
      )
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 20)
      assert.equal((await store.head()).version, version + 20)
    })

    test('transaction() lets nothing be written once its work is over', async () => {
      let late: StoreTransaction | undefined
      await store.transaction(async tx => {
        late = tx
      })
      await assert.rejects(late!.insert('houses', rows.house()), /invariant/)
    })

    test('page() loses and doubles no row of 10,000 while others are written and deleted', async () => {
      const own = Array.from({ length: 10_000 }, () => ({ id: random.uuid(), guest: random.uuid() }))
      await store.transaction(async tx => {
        for (const visit of own) await tx.insert('visits', visit)
      })
      const seen: string[] = []
      let position: string | null = null
      do {
        const passing = { id: random.uuid(), guest: random.uuid() }
        const [page]: [Page, unknown] = await Promise.all([
          store.page('visits', { size: 500, after: position }),
          insert('visits', passing),
        ])
        if (random.next() < 0.5) await store.transaction(tx => tx.delete('visits', passing.id))
        seen.push(...page.rows.map(row => row['id'] as string))
        position = page.next
      } while (position !== null)
      assert.equal(new Set(seen).size, seen.length)
      const found = new Set(seen)
      assert.deepEqual(
        own.filter(({ id }) => !found.has(id)),
        [],
      )
    })

    test('rows with ttl vanish when it has passed, free their unique value, and are swept as a change', async () => {
      const expiry = clock.now() / 1000 + 60
      const pass = { id: random.uuid(), code: 'early', house: null, tags: ['vip'], ttl: expiry }
      await insert('passes', pass)
      await insert('passes', { ...pass, id: random.uuid(), code: 'for ever', tags: null, ttl: null })
      assert.deepEqual(await store.find('passes', pass.id), pass)
      clock.shift(61_000)
      assert.equal(await store.find('passes', pass.id), null)
      assert.equal(await store.findBy('passes', { code: 'early' }), null)
      assert.deepEqual(
        (await store.page('passes', { size: 10, after: null })).rows.map(row => row['code']),
        ['for ever'],
      )
      const { version } = await store.head()
      const again = { ...pass, id: random.uuid(), ttl: clock.now() / 1000 + 60 }
      await insert('passes', again)
      assert.deepEqual(
        (await store.changesSince(version))?.changes.map(({ key }) => key),
        [pass.id, again.id],
      )
      clock.shift(61_000)
      assert.equal(await store.sweep(), 1)
      assert.equal(await store.sweep(), 0)
      assert.deepEqual(
        (await store.changesSince(version))?.changes.map(({ row }) => row),
        [null, null],
      )
    })

    test('two processes racing for one unique name: exactly one wins', async () => {
      for (let round = 0; round < 2; round += 1) assert.equal(await under.race(`raced-${round}`, 2), 1)
    })

    test('records keep JSON values by collection and key, until they expire', async () => {
      const { records } = store
      await records.put('tokens', 'a', { uses: 1 })
      await records.put('tokens', 'b', { uses: 2 }, clock.now() + 600_000)
      await records.put('planes', 'a', { ip: '::1' })
      assert.deepEqual(await records.get('tokens', 'a'), { uses: 1 })
      assert.deepEqual(
        (await records.list('tokens')).map(({ key }) => key),
        ['a', 'b'],
      )
      assert.deepEqual(
        (await records.list('tokens', { after: 'a', size: 1 })).map(({ key }) => key),
        ['b'],
      )
      clock.shift(600_001)
      assert.equal(await records.get('tokens', 'b'), null)
      assert.deepEqual(
        (await records.list('tokens')).map(({ key }) => key),
        ['a'],
      )
      await records.delete('tokens', 'a')
      assert.equal(await records.get('tokens', 'a'), null)
    })

    test('records.putIf() writes for one of several who expect the same', async () => {
      const { records } = store
      const first = await Promise.all([1, 2, 3].map(value => records.putIf('ca', 'root', { value }, null)))
      assert.deepEqual(first.filter(Boolean), [true])
      const held = (await records.get<{ value: number }>('ca', 'root'))!
      const next = await Promise.all([7, 8].map(value => records.putIf('ca', 'root', { value }, held)))
      assert.deepEqual(next.filter(Boolean), [true])
      assert.equal(await records.putIf('ca', 'other', { value: 1 }, held), false)
    })

    test('record() of a transaction is there when that is committed, and only then', async () => {
      const { records } = store
      const house = rows.house()
      await store.transaction(async tx => {
        await tx.insert('houses', house)
        await tx.record('notes', 'a', { of: 'first' }, clock.now() + 60_000)
      })
      await store.transaction(tx => tx.record('notes', 'a', { of: 'second' }, clock.now() + 60_000))
      assert.deepEqual(await records.get('notes', 'a'), { of: 'second' })
      const refused = store.transaction(async tx => {
        await tx.record('notes', 'b', { of: 'third' })
        await tx.insert('houses', rows.house({ name: house['name'] }))
      })
      await refuses(refused, 'unique_violation', { name: house['name'] })
      assert.deepEqual(
        (await records.list('notes')).map(({ key }) => key),
        ['a'],
      )
      clock.shift(60_001)
      assert.equal(await records.get('notes', 'a'), null)
    })

    test('records.trim() keeps the first in order', async () => {
      const { records } = store
      for (const key of ['1', '2', '3', '4', '5']) await records.put('queue', key, { key })
      await store.transaction(tx => tx.record('queue', '6', { key: '6' }))
      const left = async () => (await records.list('queue')).map(({ key }) => key)
      await records.trim('queue', 10)
      assert.equal((await left()).length, 6)
      await records.trim('queue', 2)
      assert.deepEqual(await left(), ['1', '2'])
      await records.put('queue', '3', { key: '3' })
      assert.deepEqual(await left(), ['1', '2', '3'])
      await records.trim('nothing', 0)
    })

    test('ping() answers', async () => {
      assert.equal(await store.ping(), true)
    })
  })
}
