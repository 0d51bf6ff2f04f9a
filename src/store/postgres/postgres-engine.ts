/** PostgreSQL behind the generic SQL store: one writing connection, a pool of reading ones, and an ear for other nodes. */
import { createHash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Sql, SqlEngine } from '../sql/engine.ts'
import { ChangeListener } from './change-listener.ts'
import { ConfigWriter } from './config-writer.ts'
import type { Answer, Connection } from './connection.ts'
import { isConnectionFailure } from './connection-failure.ts'
import type { PostgresOptions } from './connection-options.ts'
import { ConnectionPool } from './connection-pool.ts'
import { breachOf, readConstraints } from './constraints.ts'
import { nextVersion } from './next-version.ts'
import { postgresSql } from './postgres-dialect.ts'
import { SharedReader } from './shared-reader.ts'

export interface PostgresEngineOptions {
  readonly options: PostgresOptions
  /** A copy for ordinary reads, which may lag behind. */
  readonly replica: PostgresOptions | null
  readonly clock: Clock
  readonly logger: Logger
  /** Between looks for other nodes' commits, beside notifications. */
  readonly pollMs: number
}

/** The tables must exist already. */
export async function openPostgresEngine(given: PostgresEngineOptions): Promise<SqlEngine> {
  const { options, replica, clock, logger, pollMs } = given
  const readers = readersOf(options, clock)
  const { pool } = readers
  const replicaReaders = replica === null ? null : readersOf(replica, clock)
  const { channel, constraints } = await pool
    .read(async connection => ({
      channel: await channelOf(connection),
      constraints: await readConstraints(connection),
    }))
    .catch(async error => {
      await pool.close()
      throw error
    })
  const writer = new ConfigWriter(options, clock)
  const listener = new ChangeListener({ options, channel, clock, logger, pollMs })
  await listener.open()
  const reader = sqlOf(readers)
  return {
    capabilities: {
      writes: true,
      transactions: true,
      foreignKeys: true,
      nativeTtl: false,
      notifies: true,
      sharedBetweenNodes: true,
    },
    pipelines: true,
    reader,
    replica: replicaReaders === null ? reader : sqlOf(replicaReaders, pool),
    write: work => writer.write(work),
    apart: work => work(reader),
    nextVersion: (db, changes) => nextVersion(db, changes, channel),
    snapshot: () => openSnapshot(pool),
    breach: error => breachOf(error, constraints),
    onOthers: told => listener.add(told),
    async close() {
      await writer.close()
      const opened = [readers, ...(replicaReaders === null ? [] : [replicaReaders])]
      await Promise.all([listener.close(), ...opened.flatMap(each => [each.pool.close(), each.shared.close()])])
    },
  }
}

/** Notifications belong to a database; several configurations may live in it, each in its schema. */
async function channelOf(connection: Connection): Promise<string> {
  const { rows } = await connection.query('select current_schema() as "schema"')
  const digest = createHash('md5').update(String(rows[0]?.['schema'])).digest('hex')
  return `silverback_${digest.slice(0, 16)}`
}

interface Readers {
  readonly pool: ConnectionPool
  /** For single rows. */
  readonly shared: SharedReader
}

function readersOf(options: PostgresOptions, clock: Clock): Readers {
  const pool = new ConnectionPool(options, clock)
  return { pool, shared: new SharedReader(options, pool) }
}

/** `substitute` is read from while the pool's server cannot be reached. */
function sqlOf({ pool, shared }: Readers, substitute?: ConnectionPool): Sql {
  const orSubstitute = async (text: string, values: readonly unknown[], read: () => Promise<Answer>) => {
    try {
      return await read()
    } catch (error) {
      if (substitute === undefined || !isConnectionFailure(error)) throw error
      return substitute.read(connection => connection.query(text, values))
    }
  }
  return postgresSql(
    (text, values) => orSubstitute(text, values, () => pool.read(connection => connection.query(text, values))),
    (text, values) => orSubstitute(text, values, () => shared.query(text, values)),
  )
}

/** Readers of one moment hold up nobody in PostgreSQL. */
async function openSnapshot(pool: ConnectionPool): Promise<{ readonly db: Sql; end(): void }> {
  const { connection } = await beginSnapshot(pool)
  let isOpen = true
  return {
    db: postgresSql((text, values) => connection.query(text, values)),
    end() {
      if (!isOpen) return
      isOpen = false
      connection
        .query('rollback')
        .catch((error: Error) => connection.destroy(error))
        .finally(() => pool.release(connection))
    },
  }
}

async function beginSnapshot(pool: ConnectionPool): Promise<{ readonly connection: Connection }> {
  for (;;) {
    const acquired = await pool.acquire()
    try {
      await acquired.connection.query('begin isolation level repeatable read read only')
      return acquired
    } catch (error) {
      pool.release(acquired.connection)
      // A kept connection may have died unnoticed: the next one, or a new one, serves as well.
      if (acquired.isFresh || !isConnectionFailure(error)) throw error
    }
  }
}
