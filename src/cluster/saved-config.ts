/**
 * The data plane's copy of its configuration on disk: what it serves when it starts without a control plane.
 *
 * A delta, or the switch to a new snapshot, is one SQLite transaction with its head, so a killed node finds the old
 * or the new version, never a mix. At open every row is counted into the hash again; a file that does not add up, has
 * another format or cannot be decrypted is set aside, and the node fetches everything anew.
 *
 * A wrong encryption key sets the file aside rather than stopping the node: the control plane has the data, and the
 * file stays for whoever finds the right key. A plain file is rewritten once a key is configured.
 */
import { renameSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { ConfigChange, ConfigDelta, ConfigHead, Row } from '../entities/config.ts'
import { canonicalJson, textDigest, toggleDigest } from '../entities/config-digest.ts'
import type { ApplyOutcome } from './link.ts'
import type { RowCipher } from './row-cipher.ts'
import { type FileOptions, type OpenFile, openFile, removeFile, setAside, UnusableFile } from './saved-config-file.ts'

export interface SavedConfigOptions extends FileOptions {
  /** Parents before children: the order in which `load` gives them. */
  readonly entities: readonly string[]
  readonly clock: Clock
  readonly logger: Logger
}

export interface SavedConfig {
  head(): ConfigHead
  /** False until there was a first configuration, be it an empty one. */
  isConfigured(): boolean
  find(entity: string, key: string): Row | null
  /** Everything, or what is of these entities only; parents before children, in batches. */
  load(entities?: ReadonlySet<string>): Iterable<readonly ConfigChange[]>
  /** Whether the delta fits what is here: its start, and the hash after it. Changes nothing. */
  check(delta: ConfigDelta): ApplyOutcome
  /** In one transaction; throws, and changes nothing, if `check` would refuse it. */
  applyDelta(delta: ConfigDelta): void
  /** Rows are written as they come, beside those that are served, so memory stays bounded. */
  beginSnapshot(head: ConfigHead): SnapshotStage
  /** What `noteSource` was told last, unless the rows have changed since. */
  source(): string | null
  /** Names what the rows came from, such as the hash of a file. */
  noteSource(source: string): void
  close(): void
}

export interface SnapshotStage {
  add(changes: readonly ConfigChange[]): void
  /** Replaces what was there in one transaction; throws, and changes nothing, if the rows do not give the head's hash. */
  commit(): void
  abort(): void
}

const BATCH_ROWS = 500

export function openSavedConfig(options: SavedConfigOptions): SavedConfig {
  const { path, clock, logger } = options
  try {
    const file = openFile(options)
    if (!file.isPlain) return new SavedConfigFile(options, file)
    return encryptFile(options, file)
  } catch (error) {
    if (!(error instanceof UnusableFile)) throw error
    const aside = setAside(path, clock.now())
    logger.error(`saved configuration ${path} ${error.message}; set aside as ${aside}`)
    return new SavedConfigFile(options, openFile(options))
  }
}

/** Into a new file, so that no plain row stays in the pages of the old one. */
function encryptFile(options: SavedConfigOptions, plainFile: OpenFile): SavedConfig {
  const plain = new SavedConfigFile(options, plainFile)
  const path = `${options.path}.encrypting`
  removeFile(path)
  const sealed = new SavedConfigFile(options, openFile({ ...options, path }))
  if (plain.isConfigured()) {
    const stage = sealed.beginSnapshot(plain.head())
    for (const batch of plain.load()) stage.add(batch)
    stage.commit()
    const source = plain.source()
    if (source !== null) sealed.noteSource(source)
  }
  sealed.close()
  plain.close()
  renameSync(path, options.path)
  options.logger.notice(`saved configuration ${options.path} is now encrypted`)
  return new SavedConfigFile(options, openFile(options))
}

class SavedConfigFile implements SavedConfig {
  readonly #options: SavedConfigOptions
  readonly #database: DatabaseSync
  readonly #cipher: RowCipher
  readonly #select: StatementSync
  readonly #upsert: StatementSync
  readonly #delete: StatementSync
  readonly #page: StatementSync
  #generation: number
  #head: ConfigHead
  #isConfigured: boolean
  #stagedGeneration = 0

  constructor(options: SavedConfigOptions, file: OpenFile) {
    this.#options = options
    this.#database = file.database
    this.#cipher = file.cipher
    this.#generation = file.generation
    this.#head = file.head
    this.#isConfigured = file.isConfigured
    const where = 'WHERE generation = ? AND entity = ?'
    this.#select = this.#database.prepare(`SELECT value FROM rows ${where} AND key = ?`)
    this.#delete = this.#database.prepare(`DELETE FROM rows ${where} AND key = ?`)
    this.#page = this.#database.prepare(
      `SELECT key, value FROM rows ${where} AND key > ? ORDER BY key LIMIT ${BATCH_ROWS}`,
    )
    this.#upsert = this.#database.prepare(
      `INSERT INTO rows (generation, entity, key, value) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET value = excluded.value`,
    )
  }

  head(): ConfigHead {
    return this.#head
  }

  isConfigured(): boolean {
    return this.#isConfigured
  }

  find(entity: string, key: string): Row | null {
    const text = this.#text(entity, key)
    return text === null ? null : JSON.parse(text)
  }

  *load(entities?: ReadonlySet<string>): Iterable<readonly ConfigChange[]> {
    const generation = this.#generation
    for (const entity of this.#entities()) {
      if (entities?.has(entity) === false) continue
      // Page by page, so that no read stays open while the consumer waits for something.
      let after = ''
      for (;;) {
        const page = this.#page.all(generation, entity, after)
        if (page.length === 0) break
        yield page.map(({ key, value }) => ({
          entity,
          key: key as string,
          row: JSON.parse(this.#cipher.open(`${entity}\0${key}`, value)) as Row,
        }))
        after = page.at(-1)!['key'] as string
        if (page.length < BATCH_ROWS) break
      }
    }
  }

  check(delta: ConfigDelta): ApplyOutcome {
    if (delta.from !== this.#head.version) {
      return mismatch(`delta starts at ${delta.from}, the saved configuration is at ${this.#head.version}`)
    }
    const hash = this.#hashAfter(delta.changes)
    if (hash === delta.config_hash) return { ok: true }
    return mismatch(`config_hash would be ${hash}, expected ${delta.config_hash}`)
  }

  applyDelta(delta: ConfigDelta): void {
    const outcome = this.check(delta)
    if (!outcome.ok) throw new Error(outcome.refusal.message)
    this.#transaction(() => {
      for (const change of delta.changes) this.#write(this.#generation, change)
      this.#writeHead(delta, this.#generation)
    })
    this.#becomes(delta, this.#generation)
  }

  beginSnapshot(head: ConfigHead): SnapshotStage {
    const generation = Math.max(this.#generation, this.#stagedGeneration) + 1
    this.#stagedGeneration = generation
    let hash = '0'.repeat(32)
    return {
      add: changes => {
        this.#transaction(() => {
          for (const { entity, key, row } of changes) {
            if (row === null) throw new Error('a snapshot holds no deletions')
            hash = toggleDigest(hash, this.#writeRow(generation, entity, key, row))
          }
        })
      },
      commit: () => {
        if (hash !== head.config_hash) {
          this.#remove(generation)
          throw new Error(`config_hash is ${hash}, expected ${head.config_hash}`)
        }
        const previous = this.#generation
        this.#transaction(() => this.#writeHead(head, generation))
        this.#becomes(head, generation)
        this.#remove(previous)
      },
      abort: () => {
        if (generation !== this.#generation) this.#remove(generation)
      },
    }
  }

  source(): string | null {
    const found = this.#database.prepare("SELECT value FROM meta WHERE key = 'source'").get()
    const [hash, source] = String(found?.['value'] ?? '').split(' ')
    return hash === this.#head.config_hash ? (source ?? null) : null
  }

  noteSource(source: string): void {
    const put = this.#database.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('source', ?)")
    put.run(`${this.#head.config_hash} ${source}`)
  }

  close(): void {
    this.#database.close()
  }

  #entities(): readonly string[] {
    const known = this.#options.entities
    const stored = this.#database.prepare('SELECT DISTINCT entity FROM rows WHERE generation = ?')
    const names = stored.all(this.#generation).map(row => row['entity'] as string)
    return [...known.filter(name => names.includes(name)), ...names.filter(name => !known.includes(name))]
  }

  #text(entity: string, key: string): string | null {
    const found = this.#select.get(this.#generation, entity, key)
    return found === undefined ? null : this.#cipher.open(`${entity}\0${key}`, found['value'])
  }

  /** A row may change twice in one delta: only its last value counts. */
  #hashAfter(changes: readonly ConfigChange[]): string {
    const last = new Map(changes.map(change => [`${change.entity}\0${change.key}`, change]))
    let hash = this.#head.config_hash
    for (const { entity, key, row } of last.values()) {
      const before = this.#text(entity, key)
      if (before !== null) hash = toggleDigest(hash, textDigest(entity, key, before))
      if (row !== null) hash = toggleDigest(hash, textDigest(entity, key, canonicalJson(row)))
    }
    return hash
  }

  #write(generation: number, { entity, key, row }: ConfigChange): void {
    if (row === null) this.#delete.run(generation, entity, key)
    else this.#writeRow(generation, entity, key, row)
  }

  #writeRow(generation: number, entity: string, key: string, row: Row): string {
    const text = canonicalJson(row)
    this.#upsert.run(generation, entity, key, this.#cipher.seal(`${entity}\0${key}`, text))
    return textDigest(entity, key, text)
  }

  #writeHead({ version, config_hash }: ConfigHead, generation: number): void {
    const put = this.#database.prepare('UPDATE meta SET value = ? WHERE key = ?')
    put.run(version, 'version')
    put.run(config_hash, 'config_hash')
    put.run(generation, 'generation')
    put.run(1, 'is_configured')
  }

  #becomes({ version, config_hash }: ConfigHead, generation: number): void {
    this.#head = { version, config_hash }
    this.#generation = generation
    this.#isConfigured = true
  }

  #remove(generation: number): void {
    this.#database.prepare('DELETE FROM rows WHERE generation = ?').run(generation)
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#database.exec('COMMIT')
    } catch (error) {
      // A full disk may have ended the transaction already.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }
}

function mismatch(message: string): ApplyOutcome {
  return { ok: false, refusal: { entity: '', key: '', field: 'config_hash', message }, resync: true }
}
