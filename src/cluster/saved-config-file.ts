/** The SQLite file behind a saved configuration: made, verified, and set aside when it cannot be trusted. */
import { chmodSync, closeSync, existsSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Random } from '../base/random.ts'
import { type ConfigHead, EMPTY_CONFIG_HASH } from '../entities/config.ts'
import { textDigest, toggleDigest } from '../entities/config-digest.ts'
import { createRowCipher, plainRows, type RowCipher, SALT_BYTES } from './row-cipher.ts'

/** Raised with every change of the tables; a file of another format is set aside and fetched anew. */
const FORMAT = 1
const APPLICATION_ID = 0x53_42_43_31
/** Files set aside are kept for a look, but not for ever: they hold credentials, and disk. */
const SET_ASIDE_MAX = 3
/** SQLite's default. */
const PAGE_BYTES = 4096
const KEY_CHECK_PLACE = 'meta\0key_check'
const SUFFIXES = ['', '-wal', '-shm']

export interface OpenFile {
  readonly database: DatabaseSync
  readonly cipher: RowCipher
  readonly generation: number
  readonly head: ConfigHead
  readonly isConfigured: boolean
}

export interface FileOptions {
  readonly path: string
  /** Null: rows are stored as they are. */
  readonly encryptionKey: string | null
  readonly random: Random
  /** Of the whole file, a new version beside the old one included; none when left out. */
  readonly bytesMax?: number
}

/** Why a file cannot be used; the message is for the log. */
export class UnusableFile extends Error {
  override readonly name = 'UnusableFile'
}

/** Throws UnusableFile when there is a file that must be set aside. `isPlain`: it is fine, but not yet encrypted. */
export function openFile(options: FileOptions): OpenFile & { readonly isPlain: boolean } {
  const isNew = !existsSync(options.path)
  // Made before SQLite does, which would use the umask; -wal and -shm take the mode of the file.
  if (isNew) closeSync(openSync(options.path, 'wx', 0o600))
  chmodSync(options.path, 0o600)
  let database: DatabaseSync | null = null
  try {
    database = new DatabaseSync(options.path)
    configure(database)
    // Never below what is there already: SQLite sees to that.
    if (options.bytesMax !== undefined) {
      database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(options.bytesMax / PAGE_BYTES))}`)
    }
    if (isNew || isBlank(database)) create(database, options)
    return { database, ...verify(database, options) }
  } catch (error) {
    database?.close()
    if (error instanceof UnusableFile) throw error
    if ((error as { code?: string }).code !== 'ERR_SQLITE_ERROR' || !isDamage(error)) throw error
    throw new UnusableFile(`is not readable as a database: ${(error as Error).message}`)
  }
}

/** A full disk or a locked file is not damage: setting the copy aside for that would lose it. */
function isDamage(error: unknown): boolean {
  const { errcode } = error as { errcode?: number }
  const SQLITE_ERROR = 1
  const SQLITE_CORRUPT = 11
  const SQLITE_NOTADB = 26
  return [SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_NOTADB].includes((errcode ?? 0) & 0xff)
}

function configure(database: DatabaseSync): void {
  // NORMAL: a killed process loses nothing; a power failure may lose the last changes, never consistency, and they
  // come again from the control plane. secure_delete: removed credentials do not stay in free pages.
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;
    PRAGMA journal_size_limit = 16777216; PRAGMA busy_timeout = 2000`)
}

/** The file was created but the node was killed before its tables were. */
function isBlank(database: DatabaseSync): boolean {
  return database.prepare('SELECT count(*) AS n FROM sqlite_schema').get()!['n'] === 0
}

function create(database: DatabaseSync, { encryptionKey, random }: FileOptions): void {
  database.exec(`BEGIN IMMEDIATE;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE rows (generation INTEGER NOT NULL, entity TEXT NOT NULL, key TEXT NOT NULL, value NOT NULL,
      PRIMARY KEY (generation, entity, key)) WITHOUT ROWID;
    PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = ${FORMAT}`)
  const put = database.prepare('INSERT INTO meta (key, value) VALUES (?, ?)')
  put.run('version', 0)
  put.run('config_hash', EMPTY_CONFIG_HASH)
  put.run('generation', 1)
  put.run('is_configured', 0)
  if (encryptionKey !== null) {
    const salt = random.bytes(SALT_BYTES)
    put.run('salt', salt)
    put.run('key_check', createRowCipher(encryptionKey, salt, random).seal(KEY_CHECK_PLACE, 'right'))
  }
  database.exec('COMMIT')
}

function verify(database: DatabaseSync, options: FileOptions) {
  const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]
  if (pragma('application_id') !== APPLICATION_ID) throw new UnusableFile('is not a saved configuration')
  if (pragma('user_version') !== FORMAT) {
    throw new UnusableFile(`has format ${pragma('user_version')}, this version reads ${FORMAT}`)
  }
  const damage = pragma('quick_check')
  if (damage !== 'ok') throw new UnusableFile(`is damaged: ${String(damage).split('\n')[0]}`)
  const meta = new Map(
    database
      .prepare('SELECT key, value FROM meta')
      .all()
      .map(({ key, value }) => [key as string, value]),
  )
  const salt = meta.get('salt')
  const isPlain = salt === undefined && options.encryptionKey !== null
  const cipher = isPlain ? plainRows : openCipher(meta, options)
  const head = { version: Number(meta.get('version')), config_hash: String(meta.get('config_hash')) }
  const generation = Number(meta.get('generation'))
  // What a killed node had staged of a snapshot.
  database.prepare('DELETE FROM rows WHERE generation <> ?').run(generation)
  const found = hashRows(database, generation, cipher)
  if (found !== head.config_hash) throw new UnusableFile(`holds rows with hash ${found}, expected ${head.config_hash}`)
  return { cipher, generation, head, isConfigured: meta.get('is_configured') === 1, isPlain }
}

function openCipher(meta: ReadonlyMap<string, unknown>, { encryptionKey, random }: FileOptions): RowCipher {
  const salt = meta.get('salt')
  if (salt === undefined) return plainRows
  if (encryptionKey === null) throw new UnusableFile('is encrypted, and no key is configured')
  const cipher = createRowCipher(encryptionKey, salt as Uint8Array, random)
  try {
    cipher.open(KEY_CHECK_PLACE, meta.get('key_check'))
  } catch {
    throw new UnusableFile('is encrypted with another key than the configured one')
  }
  return cipher
}

/** The hash that config-digest.ts gives: rows are stored as canonical JSON, so their digest needs no parsing. */
function hashRows(database: DatabaseSync, generation: number, cipher: RowCipher): string {
  let hash = EMPTY_CONFIG_HASH
  const rows = database.prepare('SELECT entity, key, value FROM rows WHERE generation = ?').iterate(generation)
  for (const { entity, key, value } of rows) {
    let text: string
    try {
      text = cipher.open(`${entity}\0${key}`, value)
    } catch {
      throw new UnusableFile(`holds an unreadable row: ${entity} ${key}`)
    }
    hash = toggleDigest(hash, textDigest(entity as string, key as string, text))
  }
  return hash
}

/** Moves the file out of the way, to be looked at later, and forgets the oldest of its kind. Returns its new path. */
export function setAside(path: string, now: number): string {
  const stamp = new Date(now).toISOString().replace(/[-:.]/g, '')
  const target = `${path}.corrupt-${stamp}`
  for (const suffix of SUFFIXES) {
    if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix)
  }
  const prefix = `${basename(path)}.corrupt-`
  const stamps = readdirSync(dirname(path)).filter(name => name.startsWith(prefix) && !/-(wal|shm)$/.test(name))
  for (const name of stamps.sort().slice(0, -SET_ASIDE_MAX)) removeFile(join(dirname(path), name))
  return target
}

export function removeFile(path: string): void {
  for (const suffix of SUFFIXES) rmSync(path + suffix, { force: true })
}
