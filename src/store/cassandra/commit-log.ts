/**
 * How several rows change together in Cassandra, and in one order for all nodes.
 *
 * A commit is first written down as an intent (what each row was and becomes), then decided by one lightweight
 * transaction on the row that holds the version, and only then carried out. Whoever finds a decided commit that is
 * not carried out (its node died) carries it out from the intent; an intent that was not decided is nothing. Since
 * each commit is decided only if no other was since its transaction began, what the transaction read still holds.
 */
import { setImmediate } from 'node:timers/promises'
import cassandra from 'cassandra-driver'
import { type Clock, sleep } from '../../base/clock.ts'
import type { Row } from '../../entities/config.ts'
import { StoreError } from '../errors.ts'
import type { Tables } from '../sql/tables.ts'
import type { CassandraClient, Columns, Statement } from './cassandra-client.ts'
import { numberOf } from './cassandra-tables.ts'
import { type Commit, type RecordPut, recordStatements, type RowChange, statementsOf } from './commit-plan.ts'

/** Where the store stands. `revision` counts commits; `version` only those that change what data planes get. */
export interface StoreHead {
  readonly revision: number
  readonly version: number
  readonly config_hash: string
  /** The intent of the last commit. */
  readonly attempt: string | null
  readonly shape: string | null
  /** Rows that all commits changed, and those up to `prunedTo`, the last version that the log has forgotten. */
  readonly changes: number
  readonly prunedTo: number
  readonly prunedChanges: number
  /** Whom others let go first. */
  readonly turn: string | null
}

export interface LogEntry {
  readonly revision: number
  readonly version: number
  readonly attempt: string
  readonly changes: number
  readonly keys: readonly (readonly [entity: string, key: string])[]
}

export interface Pruning extends Pick<StoreHead, 'prunedTo' | 'prunedChanges'> {
  /** The last commit whose lines go. */
  readonly forgetTo: number | null
}
export interface NextHead extends Pruning, Pick<StoreHead, 'version' | 'config_hash' | 'changes'> {}

const revisionsPerBucket = 1024
const keysPerPart = 1000
const charactersPerPart = 64 * 1024
/** The node that decided a commit is carrying it out, most likely; another takes over after this. */
export const PATIENCE_MS = 1000
const lookAgainMs = 10
/** Intents that no reader needs any more: older than any export may take. */
export const intentMsMax = 15 * 60_000
const headColumns = 'revision, version, config_hash, attempt, shape, changes, pruned_to, pruned_changes, turn'

export class CommitLog {
  readonly #client: CassandraClient
  readonly #tables: Tables
  readonly #clock: Clock
  readonly #patienceMs: number
  #applied = -1
  #marked: Promise<void> = Promise.resolve()

  constructor(client: CassandraClient, tables: Tables, clock: Clock, patienceMs = PATIENCE_MS) {
    this.#patienceMs = patienceMs
    this.#client = client
    this.#tables = tables
    this.#clock = clock
  }

  async read(): Promise<StoreHead> {
    const [row] = await this.#client.readSerial(`select ${headColumns} from config_state where id = 1`, [])
    if (row === undefined)
      throw new StoreError('database_error', "the database has no tables yet; run 'kong migrations bootstrap'")
    return headOf(row)
  }

  /** The head, with all rows as it says. */
  async settled(): Promise<StoreHead> {
    const head = await this.read()
    const deadline = this.#clock.monotonic() + this.#patienceMs
    while (!(await this.#isApplied(head.revision))) {
      if (this.#clock.monotonic() < deadline) {
        await sleep(this.#clock, lookAgainMs)
        continue
      }
      await this.#carryOut(head, await this.intent(head.attempt!))
    }
    return head
  }

  /** Null when another commit was decided since `base`: nothing is changed then. */
  async commit(base: StoreHead, commit: Commit, next: NextHead): Promise<StoreHead | null> {
    const attempt = cassandra.types.TimeUuid.fromDate(new Date(this.#clock.now())).toString()
    await this.#client.write(partsOf(attempt, commit))
    const head: StoreHead = { ...base, ...next, revision: base.revision + 1, attempt, turn: null }
    if (!(await this.#decide(base, head))) {
      await this.forget([attempt])
      return null
    }
    await this.#carryOut(head, commit)
    if (next.forgetTo !== null) await this.#forgetLines(head.revision, next.forgetTo)
    return head
  }

  async #decide(base: StoreHead, head: StoreHead): Promise<boolean> {
    const query =
      'update config_state set revision = ?, version = ?, config_hash = ?, attempt = ?, changes = ?, pruned_to = ?, ' +
      'pruned_changes = ?, shape = ? where id = 1 if revision = ?'
    const { revision, version, config_hash, attempt, changes, prunedTo, prunedChanges, shape } = head
    const values = [revision, version, config_hash, attempt, changes, prunedTo, prunedChanges, shape, base.revision]
    try {
      return (await this.#client.decide(query, values)).applied
    } catch (error) {
      // No answer is not a refusal: the next one who reads tells.
      const found = await this.read().catch(() => {
        throw unknownOutcome(error)
      })
      if (found.revision === base.revision) throw error
      if (found.revision === head.revision) return found.attempt === attempt
      const entries = await this.entriesAfter({ revision: base.revision }, found)
      return entries.some(entry => entry.attempt === attempt)
    }
  }

  /** May be done again, by anyone, at any time. */
  async #carryOut(head: StoreHead, { rows, records }: Commit): Promise<void> {
    const { revision } = head
    await this.#client.write([
      ...logOf(head, rows, this.#tables),
      ...statementsOf(revision, rows, this.#tables),
      ...recordStatements(revision, records, this.#clock),
    ])
    this.#applied = Math.max(this.#applied, revision)
    // Nobody of this process needs to wait until others know.
    this.#marked = this.#marked.then(() => this.#mark(revision))
  }

  async #mark(revision: number): Promise<void> {
    if (revision < this.#applied) return // A later mark says this, too.
    const query = 'insert into config_applied (id, revision) values (1, ?) using timestamp ?'
    // Without the mark, the next node carries the commit out once more, and that is all.
    await this.#client.write([{ query, values: [revision, revision] }]).catch(() => undefined)
  }

  /** Resolves once others can know what was carried out here. */
  marked(): Promise<void> {
    return this.#marked
  }

  async #isApplied(revision: number): Promise<boolean> {
    if (revision <= this.#applied) return true
    const [row] = await this.#client.read('select revision from config_applied where id = 1', [], 'decisive')
    if (row !== undefined) this.#applied = Math.max(this.#applied, numberOf(row['revision']))
    return revision <= this.#applied
  }

  async intent(attempt: string): Promise<Commit> {
    const parts = await this.#client.read('select changes from config_intents where attempt = ?', [attempt], 'decisive')
    if (parts.length === 0) throw new StoreError('database_error', 'the changes asked for are no longer kept')
    const rows: RowChange[] = []
    const records: RecordPut[] = []
    for (const part of parts) {
      for (const member of JSON.parse(part['changes'] as string) as (RowChange | RecordMember)[]) {
        if ('record' in member) records.push(member.record)
        else rows.push(member)
      }
      await setImmediate()
    }
    return { rows, records }
  }

  /** Commits after a version, or after a revision, up to the head, in order. */
  async entriesAfter(
    from: { readonly version: number } | { readonly revision: number },
    head: StoreHead,
  ): Promise<LogEntry[]> {
    const version = 'version' in from ? from.version : -1
    const revision = 'revision' in from ? from.revision : 0
    const entries: LogEntry[] = []
    for (let bucket = bucketOfRevision(head.revision); bucket >= bucketOfRevision(revision); bucket -= 1) {
      const rows = await this.#client.read(
        'select revision, version, attempt, changes, keys from config_log where bucket = ? and revision > ? and revision <= ?',
        [bucket, revision, head.revision],
        'decisive',
      )
      const found = mergeParts(rows)
      entries.unshift(...found.filter(entry => entry.version > version))
      if (found[0] === undefined || found[0].version <= version) break
    }
    return entries
  }

  /** What rows were at `base`, of those that commits between it and `until` changed. */
  async undo(base: StoreHead, until: StoreHead, known: Map<string, RowChange>): Promise<void> {
    const attempts: string[] = []
    // The last commit may not have reached the log.
    if (until.revision - 1 > base.revision) {
      const entries = await this.entriesAfter({ revision: base.revision }, { ...until, revision: until.revision - 1 })
      attempts.push(...entries.map(({ attempt }) => attempt))
      if (attempts.length !== until.revision - 1 - base.revision) {
        throw new StoreError('database_error', 'the changes asked for are no longer kept')
      }
    }
    if (until.revision > base.revision) attempts.push(until.attempt!)
    for (const attempt of attempts) {
      for (const change of (await this.intent(attempt)).rows) {
        const name = `${change.entity}\0${change.key}`
        if (!known.has(name)) known.set(name, change)
      }
    }
  }

  /** What the log may forget so that `kept` changes stay; in steps, so that not every commit pays for it. */
  async pruning(base: StoreHead, version: number, changes: number, kept: number): Promise<Pruning> {
    const { prunedTo, prunedChanges } = base
    // After so large a change, a snapshot is the shorter way for everybody.
    if (changes - base.changes > kept) {
      return { prunedTo: version, prunedChanges: changes, forgetTo: base.revision }
    }
    const nothing = { prunedTo, prunedChanges, forgetTo: null }
    if (changes - prunedChanges < kept + pruneStep) return nothing
    let cut: LogEntry | null = null
    for (const entry of await this.entriesAfter({ version: prunedTo }, base)) {
      if (entry.changes <= changes - kept) cut = entry
    }
    return cut === null ? nothing : { prunedTo: cut.version, prunedChanges: cut.changes, forgetTo: cut.revision }
  }

  /** Lines that a node which died left over are in the bucket before, at most; they are of forgotten versions, and not read. */
  async #forgetLines(revision: number, upTo: number): Promise<void> {
    const last = bucketOfRevision(upTo)
    await this.#client.write(
      [Math.max(0, last - 1), last].map(bucket => ({
        query: 'delete from config_log using timestamp ? where bucket = ? and revision <= ?',
        values: [revision, bucket, upTo],
      })),
    )
  }

  async takeTurn(who: string): Promise<void> {
    await this.#client.decide(`update config_state using ttl ${turnSeconds} set turn = ? where id = 1 if turn = null`, [
      who,
    ])
  }

  async endTurn(who: string): Promise<void> {
    await this.#client.decide('update config_state set turn = null where id = 1 if turn = ?', [who])
  }

  async forget(attempts: readonly string[]): Promise<void> {
    await this.#client.write(
      attempts.map(attempt => ({ query: 'delete from config_intents where attempt = ?', values: [attempt] })),
    )
  }

  /** Intents begun before `time`, in milliseconds. */
  async intentsBefore(time: number): Promise<string[]> {
    const rows = await this.#client.read('select distinct attempt from config_intents', [], 'decisive')
    return rows
      .map(row => row['attempt'] as cassandra.types.TimeUuid)
      .filter(attempt => attempt.getDate().getTime() < time)
      .map(String)
  }
}
const pruneStep = 100
const turnSeconds = 30

function bucketOfRevision(revision: number): number {
  return Math.floor(revision / revisionsPerBucket)
}

function headOf(row: Columns): StoreHead {
  const attempt = row['attempt']
  return {
    revision: numberOf(row['revision']),
    version: numberOf(row['version']),
    config_hash: row['config_hash'] as string,
    attempt: attempt === null || attempt === undefined ? null : String(attempt),
    shape: (row['shape'] ?? null) as string | null,
    changes: numberOf(row['changes']),
    prunedTo: numberOf(row['pruned_to']),
    prunedChanges: numberOf(row['pruned_changes']),
    turn: (row['turn'] ?? null) as string | null,
  }
}

/** Beside rows in an intent. */
interface RecordMember {
  readonly record: RecordPut
}

function partsOf(attempt: string, { rows, records }: Commit): Statement[] {
  const parts: Statement[] = []
  let members: string[] = []
  let size = 0
  const end = () => {
    parts.push({
      query: 'insert into config_intents (attempt, part, changes) values (?, ?, ?)',
      values: [attempt, parts.length, `[${members.join(',')}]`],
    })
    members = []
    size = 0
  }
  for (const member of [...rows, ...records.map((record): RecordMember => ({ record }))]) {
    const text = JSON.stringify(member)
    members.push(text)
    size += text.length
    if (size > charactersPerPart) end()
  }
  if (members.length > 0 || parts.length === 0) end()
  return parts
}

function logOf(head: StoreHead, changes: readonly RowChange[], tables: Tables): Statement[] {
  const { revision, version, attempt, prunedTo } = head
  // A change larger than the log is not told row by row.
  const told = prunedTo === version ? [] : changes.filter(({ entity }) => tables.get(entity).exported)
  const keys = told.map(({ entity, key }) => [entity, key])
  const statements: Statement[] = []
  for (let start = 0, part = 0; start === 0 || start < keys.length; start += keysPerPart, part += 1) {
    statements.push({
      query:
        'insert into config_log (bucket, revision, part, version, attempt, changes, keys) values (?, ?, ?, ?, ?, ?, ?) ' +
        'using timestamp ?',
      values: [
        bucketOfRevision(revision),
        revision,
        part,
        version,
        attempt,
        head.changes,
        JSON.stringify(keys.slice(start, start + keysPerPart)),
        revision,
      ],
    })
  }
  return statements
}

function mergeParts(rows: readonly Columns[]): LogEntry[] {
  const entries: (LogEntry & { keys: (readonly [string, string])[] })[] = []
  for (const row of rows) {
    const revision = numberOf(row['revision'])
    const keys = JSON.parse(row['keys'] as string) as [string, string][]
    const last = entries.at(-1)
    if (last?.revision === revision) last.keys.push(...keys)
    else {
      const version = numberOf(row['version'])
      entries.push({ revision, version, attempt: String(row['attempt']), changes: numberOf(row['changes']), keys })
    }
  }
  return entries
}

function unknownOutcome(error: unknown): StoreError {
  return new StoreError(
    'database_error',
    'Cassandra did not answer in time; the change may have been made or not',
    undefined,
    error,
  )
}

/** What `row` was before the commits that `undone` holds. */
export function rowBefore(
  undone: ReadonlyMap<string, RowChange>,
  entity: string,
  key: string,
  row: Row | null,
): Row | null {
  const change = undone.get(`${entity}\0${key}`)
  return change === undefined ? row : change.before
}
