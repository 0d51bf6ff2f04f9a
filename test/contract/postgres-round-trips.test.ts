/** How often a write waits for PostgreSQL: counted by a relay that holds every answer until nothing more is asked. */
import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { createCatalog, type EntityCatalog } from '../../src/entities/catalog.ts'
import { openPostgresMigrations } from '../../src/store/postgres/postgres-migrations.ts'
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts'
import { createRepository, type Repository } from '../../src/store/repository.ts'
import type { EntityStore } from '../../src/store/store.ts'
import { contractCatalog } from './store.catalog.ts'
import { rowBuilders } from './store.kit.ts'
import { postgresIsMissing, type PostgresServer, startPostgres } from '../kit/postgres.ts'

// What is sent without waiting for an answer is sent in one turn of the event loop; this is a thousand of them.
const silentMs = 100

/** Counts how often somebody had to be answered before he went on. */
class HoldingRelay {
  trips = 0
  holds = false
  readonly #server = createServer(client => this.#accept(client))
  readonly #sockets = new Set<Socket>()
  readonly #port: number

  constructor(port: number) {
    this.#port = port
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as { port: number }).port
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept(client: Socket): void {
    const database = connect(this.#port, '127.0.0.1')
    const held: Buffer[] = []
    let timer: NodeJS.Timeout | undefined
    // What the database tells without being asked (of a commit, say) is no round trip.
    let isAsked = false
    const release = () => {
      if (held.length === 0) return
      if (isAsked) this.trips += 1
      isAsked = false
      client.write(Buffer.concat(held.splice(0)))
    }
    const wait = () => {
      clearTimeout(timer)
      timer = setTimeout(release, silentMs)
    }
    client.on('data', chunk => {
      database.write(chunk)
      isAsked = this.holds
      if (this.holds) wait()
    })
    database.on('data', (chunk: Buffer) => {
      if (!this.holds) return void client.write(chunk)
      held.push(chunk)
      wait()
    })
    for (const socket of [client, database]) {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        clearTimeout(timer)
        client.destroy()
        database.destroy()
      })
    }
  }
}

describe('round trips to PostgreSQL', { skip: postgresIsMissing() }, () => {
  let server: PostgresServer
  let relay: HoldingRelay
  let port: number
  let store: EntityStore
  let repository: Repository
  // A group of writes is closed after 10 ms, of which this machine may have few.
  const clock = { ...systemClock, monotonic: () => 0 }
  before(async () => {
    server = await startPostgres()
    relay = new HoldingRelay(server.port)
    port = await relay.listen()
    const catalog = createCatalog()
    store = await openThere(catalog)
    repository = createRepository({ store, catalog, clock, random: systemRandom })
    await repository.insert('services', { name: 'first', host: 'h.test' })
  })
  after(async () => {
    await store?.close()
    relay?.close()
    await server?.close()
  })

  /** On a database of its own. */
  async function openThere(catalog: EntityCatalog): Promise<EntityStore> {
    const options = await server.createDatabase()
    const migrations = await openPostgresMigrations({ options, catalog, clock, lockMsMax: 0 })
    await migrations.migrate()
    await migrations.close()
    // Nobody looks for changes by himself meanwhile.
    return openPostgresStore({ options: { ...options, port }, catalog, clock, pollMs: 3_600_000 })
  }

  async function trips(work: () => Promise<unknown>): Promise<number> {
    relay.holds = true
    relay.trips = 0
    try {
      await work()
      return relay.trips
    } finally {
      relay.holds = false
    }
  }

  test('a new entity takes one, with the lock, its tags, its parent, its place in the change log and the commit', async () => {
    const service = (await repository.find('services', 'first'))!
    assert.equal(await trips(() => repository.insert('services', { name: 's', host: 'h.test', tags: ['a'] })), 1)
    const route = { name: 'r', paths: ['/r'], service: { id: service['id'] } }
    assert.equal(await trips(() => repository.insert('routes', route)), 1)
    assert.equal((await store.head()).version, 3)
  })

  test('writes that come together share round trips', async () => {
    const names = Array.from({ length: 20 }, (_, at) => `together-${at}`)
    const count = await trips(() =>
      Promise.all(names.map(name => repository.insert('services', { name, host: 'h.test' }))),
    )
    assert.equal(count, 1)
    assert.notEqual(await repository.find('services', 'together-19'), null)
  })

  test('a change or a deletion takes one more, to read what there was', async () => {
    const { id } = (await repository.insert('services', { name: 'changing', host: 'h.test' })) as { id: string }
    assert.equal(await trips(() => repository.update('services', id, { host: 'other.test' })), 2)
    assert.equal(await trips(() => repository.upsert('services', id, { name: 'changing', host: 'third.test' })), 2)
    assert.equal((await repository.find('services', id))?.['host'], 'third.test')
  })

  test('a deletion takes as many, however deep the entities are that go along, and by name too', async () => {
    const deep = await openThere(contractCatalog)
    const rows = rowBuilders(systemRandom)
    const house = rows.house({ name: 'deep' })
    const door = rows.door({ house: { id: house['id'] } })
    const locks = [1, 2].map(() => ({ id: systemRandom.uuid(), door: { id: door['id'] } }))
    await deep.transaction(async tx => {
      await tx.insert('houses', house)
      await tx.insert('doors', door)
      for (const lock of locks) await tx.insert('locks', lock)
    })
    assert.equal(await trips(() => deep.transaction(tx => tx.delete('houses', 'deep', 'name'))), 2)
    assert.equal(await deep.find('locks', locks[1]!.id), null)
    await deep.close()
    const upstream = { id: (await repository.insert('upstreams', { name: 'u.test' }))['id'] as string }
    for (const port of [1, 2]) await repository.insert('targets', { upstream, target: `t.test:${port}` })
    assert.equal(await trips(() => repository.delete('upstreams', upstream.id)), 2)
    assert.deepEqual((await repository.page('targets')).data, [])
    const held = { id: (await repository.insert('services', { name: 'held', host: 'h.test' }))['id'] as string }
    await repository.insert('routes', { paths: ['/held'], service: held })
    assert.equal(
      await trips(() => assert.rejects(repository.delete('services', held.id), /'routes' entity references/)),
      1,
    )
  })

  test('what is refused takes one, and says why; what is invalid takes none', async () => {
    const refused = (work: () => Promise<unknown>, pattern: RegExp) => trips(() => assert.rejects(work, pattern))
    const twice = () => repository.insert('services', { name: 'first', host: 'h.test' })
    assert.equal(await refused(twice, /UNIQUE violation detected on '{name="first"}'/), 1)
    const invalid = () => repository.insert('services', { name: 'x', host: 'h.test', port: -1 })
    assert.equal(await refused(invalid, /schema violation/), 0)
    const service = { id: systemRandom.uuid() }
    const orphan = () => repository.insert('routes', { paths: ['/o'], service })
    assert.equal(
      await refused(orphan, new RegExp(`{id="${service.id}"}' does not reference an existing 'services'`)),
      1,
    )
  })
})
