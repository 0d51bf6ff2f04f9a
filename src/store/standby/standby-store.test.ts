import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { contractCatalog } from '../../../test/contract/store.catalog.ts'
import { exported, rowBuilders } from '../../../test/contract/store.kit.ts'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { systemRandom } from '../../base/random.ts'
import { createMemoryStore } from '../memory/memory-store.ts'
import type { EntityStore } from '../store.ts'
import { createStandbyStore } from './standby-store.ts'

class Away extends Error {}

/** A standby over a store that can be made to fail, filled and followed. */
async function aStandby() {
  const memory = createMemoryStore({ catalog: contractCatalog, clock: systemClock })
  let failure: Error | null = null
  let asked = 0
  const store = new Proxy(memory, {
    get(target, name: keyof EntityStore) {
      const member = target[name] as unknown
      if (typeof member !== 'function' || name === 'onHead' || name === 'close') return member
      return async (...args: unknown[]) => {
        if (name !== 'ping') asked += 1
        if (failure === null) return member.apply(target, args)
        if (name === 'ping') return false
        throw failure
      }
    },
  })
  const standby = createStandbyStore({
    store,
    catalog: contractCatalog,
    clock: systemClock,
    logger: silentLogger,
    isOutage: error => error instanceof Away,
  })
  const rows = rowBuilders(systemRandom)
  const house = rows.house({ tags: ['kept'] })
  const room = rows.room(house)
  const head = await memory.replace([
    { entity: 'houses', row: house },
    { entity: 'rooms', row: room },
  ])
  for (let turn = 0; turn < 20; turn += 1) await setImmediate()
  return {
    standby,
    head,
    house,
    room,
    asked: () => asked,
    fail(error: Error | null) {
      failure = error
    },
  }
}

test('createStandbyStore() answers reads, head, export and deltas from memory while the database is away', async () => {
  const { standby, head, house, room, fail } = await aStandby()
  const id = house['id'] as string
  fail(new Away())
  assert.deepEqual(await standby.find('houses', id), house)
  assert.deepEqual(await standby.findBy('houses', { name: house['name'] as string }), house)
  assert.deepEqual((await standby.page('rooms', { size: 10, after: null, where: { house: id } })).rows, [room])
  assert.equal((await standby.tags({ size: 10, after: null, tag: 'kept' })).rows.length, 1)
  assert.deepEqual(await standby.head(), head)
  assert.equal((await exported(standby)).size, 2)
  assert.deepEqual(await standby.changesSince(head.version), { ...head, from: head.version, changes: [] })
  assert.equal(await standby.changesSince(0), null, 'who has another version gets the whole')
  assert.equal(await standby.ping(), false)
  await standby.close()
})

test('createStandbyStore() asks the database no more once it is known to be away', async () => {
  const { standby, house, fail, asked } = await aStandby()
  fail(new Away())
  await standby.find('houses', house['id'] as string)
  const before = asked()
  for (let at = 0; at < 10; at += 1) await standby.find('houses', house['id'] as string)
  assert.equal(asked(), before)
  await standby.close()
})

test('createStandbyStore() passes on what is no outage, and what it has no copy of', async () => {
  const { standby, house, fail } = await aStandby()
  fail(new Error('syntax'))
  await assert.rejects(standby.find('houses', house['id'] as string), /syntax/)
  fail(new Away('gone'))
  await assert.rejects(standby.find('visits', 'any'), /gone/)
  await assert.rejects(
    standby.transaction(async () => {}),
    /gone/,
  )
  await standby.close()
})

test('createStandbyStore() knows the records that it read, and no others', async () => {
  const memory = createMemoryStore({ catalog: contractCatalog, clock: systemClock })
  let isAway = false
  const { records } = memory
  const guarded = {
    ...records,
    get: async <T>(collection: string, key: string) => {
      if (isAway) throw new Away('gone')
      return records.get<T>(collection, key)
    },
  }
  const store: EntityStore = { ...memory, records: guarded }
  const standby = createStandbyStore({
    store,
    catalog: contractCatalog,
    clock: systemClock,
    logger: silentLogger,
    isOutage: error => error instanceof Away,
  })
  await standby.records.put('nodes', 'a', { status: 'approved' })
  assert.equal(await standby.records.get('nodes', 'b'), null)
  isAway = true
  assert.deepEqual(await standby.records.get('nodes', 'a'), { status: 'approved' })
  assert.equal(await standby.records.get('nodes', 'b'), null)
  await assert.rejects(standby.records.get('nodes', 'c'), /gone/)
  await standby.close()
})
