/** The statements that each store sends for one service, by the bare driver and without anything else. */
import { randomUUID } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import cassandra from 'cassandra-driver'
import pg from 'pg'

/** Where the tables of a store are, made by `kong migrations bootstrap`; no node uses them at the same time. */
export type RawPlace =
  | { readonly kind: 'embedded'; readonly path: string }
  | { readonly kind: 'postgres'; readonly options: pg.ClientConfig }
  | { readonly kind: 'cassandra'; readonly host: string; readonly port: number; readonly keyspace: string }

/** `client` is the number of the caller, who waits for his answer before he asks again. */
export interface RawStore {
  read(client: number, id: string): Promise<unknown>
  write(client: number, row: ServiceRow): Promise<void>
  close(): Promise<void>
}

export interface ServiceRow {
  readonly id: string
  readonly name: string
  readonly host: string
}

export function openRaw(place: RawPlace, clients: number): Promise<RawStore> {
  if (place.kind === 'embedded') return rawEmbedded(place.path)
  return place.kind === 'postgres' ? rawPostgres(place.options, clients) : rawCassandra(place)
}

const sql = {
  read: 'select * from services where id = $1',
  insert: `insert into services (id, name, host, port, protocol, retries, connect_timeout, write_timeout, read_timeout,
    enabled, created_at, updated_at) values ($1, $2, $3, 80, 'http', 5, 60000, 60000, 60000, 1, 1, 1)`,
}

async function rawEmbedded(path: string): Promise<RawStore> {
  const database = new DatabaseSync(path, { timeout: 5000 })
  database.exec('pragma journal_mode = wal')
  database.exec('pragma synchronous = full')
  const prepare = (text: string) => database.prepare(text.replaceAll(/\$\d/g, '?'))
  const [read, insert] = [prepare(sql.read), prepare(sql.insert)]
  const state = prepare(
    'select version, config_hash, (select max(sequence) from config_changes) as last from config_state where id = 1',
  )
  const update = prepare('update config_state set version = $1, config_hash = $2 where id = 1')
  const log = prepare(`insert into config_changes (sequence, version, entity, key) values ($1, $2, 'services', $3)`)
  return {
    read: async (_client, id) => read.get(id),
    async write(_client, { id, name, host }) {
      database.exec('begin immediate')
      insert.run(id, name, host)
      const { version, config_hash, last } = state.get() as Record<string, number>
      update.run(version! + 1, config_hash!)
      log.run(Number(last ?? 0) + 1, version! + 1, id)
      database.exec('commit')
    },
    close: async () => database.close(),
  }
}

const nextVersion = `with state as (
    update config_state set version = version + 1 where id = 1 returning version, config_hash
  ), logged as (
    insert into config_changes (sequence, version, entity, key)
    select (select coalesce(max(sequence), 0) + 1 from config_changes), version, 'services', $1 from state
  ) select version, pg_notify('raw', version || ' ' || config_hash) from state`

/** A connection for each caller; a write's statements are sent at once, as the store sends them. */
async function rawPostgres(options: pg.ClientConfig, clients: number): Promise<RawStore> {
  const open = async (pipeline: boolean) => {
    const client = new pg.Client({ ...options, pipeline } as pg.ClientConfig)
    await client.connect()
    return client
  }
  const readers = await Promise.all(Array.from({ length: clients }, () => open(false)))
  const writers = await Promise.all(Array.from({ length: clients }, () => open(true)))
  return {
    async read(client, id) {
      return (await readers[client]!.query({ name: 'read', text: sql.read, values: [id] })).rows[0]
    },
    async write(client, { id, name, host }) {
      const writer = writers[client]!
      await Promise.all([
        writer.query('begin'),
        writer.query({ name: 'lock', text: 'select version from config_state where id = 1 for update' }),
        writer.query({ name: 'insert', text: sql.insert, values: [id, name, host] }),
        writer.query({ name: 'next', text: nextVersion, values: [id] }),
        writer.query('commit'),
      ])
    },
    async close() {
      for (const client of [...readers, ...writers]) await client.end()
    },
  }
}

const cql = {
  read: 'select row from config_rows where entity = ? and bucket = ? and key = ?',
  holder: 'select key from config_unique where entity = ? and field = ? and value = ?',
  intent: 'insert into config_intents (attempt, part, changes) values (?, 0, ?)',
  decide: 'update config_state set revision = ?, version = ?, attempt = ? where id = 1 if revision = ?',
  row: 'insert into config_rows (entity, bucket, key, row) values (?, ?, ?, ?) using timestamp ?',
  unique: 'insert into config_unique (entity, field, value, key) values (?, ?, ?, ?) using timestamp ?',
  log: `insert into config_log (bucket, revision, part, version, attempt, changes, keys) values (?, ?, 0, ?, ?, ?, ?)
    using timestamp ?`,
  applied: 'insert into config_applied (id, revision) values (1, ?) using timestamp ?',
}

/** Writes wait for each other: each is decided on top of the one before. */
async function rawCassandra(place: RawPlace & { readonly kind: 'cassandra' }): Promise<RawStore> {
  const { host, port, keyspace } = place
  const client = new cassandra.Client({
    contactPoints: [host],
    protocolOptions: { port },
    localDataCenter: 'datacenter1',
    keyspace,
    policies: { timestampGeneration: null as never },
  })
  await client.connect()
  const run = (name: keyof typeof cql, values: unknown[]) =>
    client.execute(cql[name], values, { prepare: true, consistency: cassandra.types.consistencies.quorum })
  const bucketOf = (id: string) => Number.parseInt(id[0]!, 16)
  const state = await client.execute('select revision, version from config_state where id = 1')
  let revision = Number(state.first()['revision'])
  let version = Number(state.first()['version'])
  let last: Promise<unknown> = Promise.resolve()
  async function writeOne({ id, name, host: named }: ServiceRow): Promise<void> {
    const row = JSON.stringify({ id, name, host: named, port: 80, protocol: 'http', retries: 5, enabled: true })
    const attempt = cassandra.types.TimeUuid.now()
    await Promise.all([run('read', ['services', bucketOf(id), id]), run('holder', ['services', 'name', name])])
    await run('intent', [attempt, row])
    const decided = await run('decide', [revision + 1, version + 1, attempt, revision])
    if (!decided.wasApplied()) throw new Error('somebody else writes, too')
    revision += 1
    version += 1
    await Promise.all([
      run('log', [Math.floor(revision / 1024), revision, version, attempt, 1, JSON.stringify([id]), revision]),
      run('row', ['services', bucketOf(id), id, row, revision]),
      run('unique', ['services', 'name', name, id, revision]),
    ])
    await run('applied', [revision, revision])
  }
  return {
    async read(_client, id) {
      return JSON.parse((await run('read', ['services', bucketOf(id), id])).first()['row'] as string)
    },
    write(_client, row) {
      const done = last.then(() => writeOne(row))
      last = done.catch(() => undefined)
      return done
    },
    close: () => client.shutdown(),
  }
}

export function aService(): ServiceRow {
  return { id: randomUUID(), name: `raw-${randomUUID()}`, host: 'h.test' }
}
