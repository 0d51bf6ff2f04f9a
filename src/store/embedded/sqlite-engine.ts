/** SQLite behind the generic SQL store: one writing and one reading connection of a file that several processes may share. */
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { scheduler } from 'node:timers/promises'
import type { Clock } from '../../base/clock.ts'
import { StoreError } from '../errors.ts'
import type { ConstraintBreach, HeadNews, SqlEngine } from '../sql/engine.ts'
import { nextVersionOf } from './next-version.ts'
import { sqliteSql } from './sqlite-dialect.ts'
import { WriteQueue } from '../sql/write-queue.ts'

export interface SqliteEngineOptions {
  /** A file, created with its folder if need be. */
  readonly path: string
  readonly clock: Clock
  /** How often other processes' commits are looked for. Default 20 ms: a change must be live within 100. */
  readonly pollMs?: number
}

// How long a statement may hold up this process's event loop for another process's lock. Only opening, and the
// recovery after a crash, make one wait: writers take their turn without blocking, in `beginImmediate`.
const busyTimeoutMs = 2000
// A writer of another process that takes longer than this is taken for hung, and the write is refused. An import of
// 100,000 rows takes a quarter of it.
const lockWaitMsMax = 60_000
const lockRetryMs = 3
const errorBusy = 5

interface SqliteError {
  readonly code?: string
  readonly errcode?: number
  readonly message: string
}

export function openSqliteEngine({ path, clock, pollMs = 20 }: SqliteEngineOptions): SqlEngine {
  const { writer, reader } = openFile(path)
  const queue = new WriteQueue({
    db: sqliteSql(writer),
    begin: () => beginImmediate(writer, clock),
    run: sql => writer.exec(sql),
    clock,
  })
  const nextVersion = nextVersionOf(writer)
  const dataVersion = reader.prepare('PRAGMA data_version')
  const listeners = new Set<(news: HeadNews) => void>()
  let seen = dataVersion.get()?.['data_version']
  const poll = clock.every(pollMs, () => {
    const now = dataVersion.get()?.['data_version']
    if (now === seen) return
    seen = now
    for (const listener of listeners) listener(null)
  })
  const snapshots = new Set<DatabaseSync>()
  const committed = sqliteSql(reader)
  return {
    capabilities: {
      writes: true,
      transactions: true,
      foreignKeys: true,
      nativeTtl: false,
      notifies: false,
      sharedBetweenNodes: false,
    },
    pipelines: false,
    reader: committed,
    replica: committed,
    write: work => queue.run(work),
    apart: work =>
      queue.run(async db => {
        const value = await work(db)
        return async () => value
      }),
    // Others see it by `data_version`.
    nextVersion: async (_db, changes) => nextVersion(changes),
    async snapshot() {
      const connection = openConnection(path, true)
      snapshots.add(connection)
      connection.exec('BEGIN')
      return {
        db: sqliteSql(connection),
        end() {
          if (snapshots.delete(connection)) connection.close()
        },
      }
    },
    breach: sqliteBreach,
    onOthers(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      poll.cancel()
      await queue.close()
      for (const connection of snapshots) connection.close()
      snapshots.clear()
      reader.close()
      writer.close()
    },
  }
}

function openFile(path: string): { readonly writer: DatabaseSync; readonly reader: DatabaseSync } {
  let writer: DatabaseSync | null = null
  try {
    createPrivateFile(path)
    writer = openConnection(path, false)
    return { writer, reader: openConnection(path, true) }
  } catch (error) {
    writer?.close()
    throw new StoreError(
      'database_error',
      `cannot open the embedded store '${path}': ${(error as Error).message}`,
      undefined,
      error,
    )
  }
}

/** Credentials are inside: the file (and, after it, its -wal and -shm, which copy its mode) belongs to the owner alone. */
function createPrivateFile(path: string): void {
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
  // The name of a new file must survive a power cut as its contents do.
  const directory = openSync(folder, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

function openConnection(path: string, readOnly: boolean): DatabaseSync {
  const connection = new DatabaseSync(path, { readOnly, timeout: busyTimeoutMs, enableForeignKeyConstraints: true })
  if (!readOnly) {
    connection.exec('PRAGMA journal_mode = WAL')
    // A commit that was acknowledged survives a power cut; NORMAL would lose the last ones.
    connection.exec('PRAGMA synchronous = FULL')
    connection.exec('PRAGMA busy_timeout = 0')
  }
  return connection
}

/** Takes the write lock, waiting for other processes without blocking this one. */
async function beginImmediate(connection: DatabaseSync, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + lockWaitMsMax
  for (;;) {
    try {
      connection.exec('BEGIN IMMEDIATE')
      return
    } catch (error) {
      if (!isBusy(error)) throw error
      if (clock.monotonic() > deadline) {
        throw new StoreError('database_error', 'the database is locked by another process', undefined, error)
      }
      // Not by the clock, whose timers let a process end: a command that waits for its turn must not be lost.
      await scheduler.wait(lockRetryMs)
    }
  }
}

function isBusy(error: unknown): boolean {
  const { errcode } = error as SqliteError
  // Extended codes carry the plain one in their low byte.
  return errcode !== undefined && (errcode & 0xff) === errorBusy
}

function sqliteBreach(error: unknown): ConstraintBreach | null {
  const { code, message } = error as SqliteError
  if (code !== 'ERR_SQLITE_ERROR') return null
  if (message.startsWith('FOREIGN KEY constraint failed')) return { kind: 'foreign', table: null, columns: [] }
  const names = /^UNIQUE constraint failed: (.*)$/.exec(message)?.[1]
  if (names === undefined) return null
  const pairs = names.split(', ').map(name => name.split('.'))
  return { kind: 'unique', table: pairs[0]?.[0] ?? null, columns: pairs.map(pair => pair[1] ?? '') }
}
