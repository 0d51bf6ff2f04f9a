/** What every EntityStore must do; run for each implementation by store.test.ts and its like. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { EMPTY_CONFIG_HASH, EMPTY_HEAD, type ConfigHead, type Row } from '../../src/entities/config.ts'
import { canonicalJson, rowDigest, toggleDigest } from '../../src/entities/config-digest.ts'
import { StoreError, type StoreErrorKind } from '../../src/store/errors.ts'
import type { EntityStore, Page, StoreTransaction, TagPage } from '../../src/store/store.ts'
import { contractCatalog } from './store.catalog.ts'

export interface StoreUnderTest {
  readonly store: EntityStore
  /** The same data through a connection of its own, as another process has it. */
  another(): Promise<EntityStore>
  /** Runs `count` processes that each try to insert the house `name`; how many succeeded. */
  race(name: string, count: number): Promise<number>
  close(): Promise<void>
}

export interface OpenOptions {
  readonly clock: Clock
  readonly changesKept?: number
}

const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31))

/** A clock that tests can set forward; timers run in real time. */
export function shiftableClock(): Clock & { shift(ms: number): void } {
  let shifted = 0
  return {
    ...systemClock,
    now: () => systemClock.now() + shifted,
    shift(ms) {
      shifted += ms
    },
  }
}

export function storeContract(name: string, open: (options: OpenOptions) => Promise<StoreUnderTest>): void {
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

    test('page() filters by foreign key, and by all or any of several tags', async () => {
      const house = rows.house()
      const three = [['red', 'p1'], ['red', 'blue', 'p1'], ['blue']].map((tags): Row => ({ ...rows.room(house), tags }))
      await store.transaction(async tx => {
        await tx.insert('houses', house)
        for (const room of three) await tx.insert('rooms', room)
      })
      const names = async (options: object) => {
        const page = await store.page('rooms', {
          size: 10,
          after: null,
          where: { house: house['id'] as string },
          ...options,
        })
        return page.rows.map(room => room['name']).sort()
      }
      const [red, both, blue] = three.map(room => room['name'])
      assert.deepEqual(await names({}), [red, both, blue].sort())
      assert.deepEqual(await names({ tags: { all: ['red', 'blue'] } }), [both])
      assert.deepEqual(await names({ tags: { any: ['red', 'blue'] } }), [red, both, blue].sort())
      assert.deepEqual(await names({ tags: { all: ['p1'] } }), [red, both].sort())
      await store.transaction(tx => tx.update('rooms', { ...three[0]!, tags: ['blue'] }))
      assert.deepEqual(await names({ tags: { any: ['red'] } }), [both])
    })

    test('tags() lists who carries which tag, in pages, and forgets deleted rows', async () => {
      const [one, two] = [rows.house({ tags: ['t-a', 't-b'] }), rows.house({ tags: ['t-b'] })]
      await insert('houses', one)
      await insert('houses', two)
      const listed = async (tag: string) => {
        const found: unknown[] = []
        let position: TagPage['next'] = null
        do {
          const page: TagPage = await store.tags({ size: 1, after: position, tag })
          found.push(...page.rows.map(({ entity_id }) => entity_id))
          position = page.next
        } while (position !== null)
        return found
      }
      assert.deepEqual(await listed('t-a'), [one['id']])
      assert.deepEqual(await listed('t-b'), [one['id'], two['id']].sort())
      await store.transaction(tx => tx.delete('houses', one['id'] as string))
      assert.deepEqual(await listed('t-a'), [])
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

    test('two processes racing for one unique name: exactly one wins', async () => {
      for (let round = 0; round < 2; round += 1) assert.equal(await under.race(`raced-${round}`, 2), 1)
    })

    test('records keep JSON values by collection and key, until they expire', async () => {
      const { records } = store
      await records.put('tokens', 'a', { uses: 1 })
      await records.put('tokens', 'b', { uses: 2 }, clock.now() + 1000)
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
      clock.shift(1001)
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

    test('ping() answers', async () => {
      assert.equal(await store.ping(), true)
    })
  })

  describe(`store contract: ${name}, a log of 300 changes`, () => {
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

async function refuses(attempt: Promise<unknown>, kind: StoreErrorKind, fields: object): Promise<void> {
  await assert.rejects(attempt, error => {
    assert.ok(error instanceof StoreError, String(error))
    assert.deepEqual({ kind: error.kind, fields: error.fields }, { kind, fields })
    return true
  })
}

type RowBuilders = ReturnType<typeof rowBuilders>

export function rowBuilders(random: Random) {
  return {
    house: (given: Row = {}): Row => ({
      id: random.uuid(),
      name: `house-${random.uuid()}`,
      size: 5,
      price: 1.25,
      open: true,
      colours: ['red'],
      details: { roof: 'flat' },
      tags: null,
      ...given,
    }),
    room: (house: Row): Row => ({
      id: random.uuid(),
      name: `room-${random.uuid()}`,
      house: { id: house['id'] },
      tags: null,
    }),
    door: (given: Row): Row => ({ id: random.uuid(), kind: random.uuid(), house: null, room: null, ...given }),
  }
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

async function exported(store: EntityStore): Promise<Map<string, Row>> {
  const copy = new Map<string, Row>()
  for await (const batch of (await store.export()).batches) {
    for (const { entity, key, row } of batch) copy.set(`${entity} ${key}`, row)
  }
  return copy
}

function hashOf(rows: ReadonlyMap<string, Row>): string {
  let hash = EMPTY_CONFIG_HASH
  for (const [name, row] of rows) {
    const [entity, key] = name.split(' ') as [string, string]
    hash = toggleDigest(hash, rowDigest(entity, key, row))
  }
  return hash
}
