import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import type { ConfigChange, ConfigDelta, ConfigRefusal } from '../entities/config.ts'
import { MemoryCopy } from './config-copy.ts'
import { Supervisor } from './supervisor.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

/** A worker that does as it is told, or refuses, or dies, at once. */
class FakeWorker extends EventEmitter {
  static pids = 1000
  readonly pid = FakeWorker.pids++
  connected = true
  readonly rows = new Map<string, unknown>()
  version = 0
  refusal: ConfigRefusal | null = null
  diesOnDelta = false
  /** Says nothing more, whatever it is told. */
  hangsOnDelta = false
  #isHanging = false
  isDrained = false
  batchSizes: number[] = []
  readonly #batches: (readonly ConfigChange[])[] = []
  #prepared: (() => void) | null = null
  #snapshot: ConfigChange[] = []

  send(message: ToWorker, socketOrDone?: unknown, done?: () => void): boolean {
    const finish = typeof socketOrDone === 'function' ? socketOrDone : done
    queueMicrotask(() => {
      finish?.()
      this.#receive(message)
    })
    return true
  }
  kill(): boolean {
    this.connected = false
    queueMicrotask(() => this.emit('exit', null, 'SIGKILL'))
    return true
  }
  #receive(message: ToWorker): void {
    const tell = (answer: FromWorker) => this.emit('message', answer)
    this.#isHanging ||= this.hangsOnDelta && message.type === 'delta'
    if (this.#isHanging) return
    if (message.type === 'ping') tell({ type: 'pong' })
    if (message.type === 'start') tell({ type: 'started' })
    if (message.type === 'listen') tell({ type: 'listening', address: message.address })
    if (message.type === 'snapshot-begin') this.#snapshot = []
    if (message.type === 'snapshot-batch') this.#snapshot.push(...message.changes)
    if (message.type === 'delta-batch') this.#batches.push(message.changes)
    if (message.type === 'delta') {
      if (this.diesOnDelta) return void this.kill()
      this.#batches.push(message.delta.changes)
      this.batchSizes = this.#batches.map(batch => batch.length)
      this.#prepare(message.id, this.#batches.splice(0).flat(), message.delta.version)
    }
    if (message.type === 'snapshot-end') {
      const changes = this.#snapshot
      this.rows.clear()
      this.#prepare(message.id, changes, 0)
    }
    if (message.type === 'commit') {
      this.#prepared?.()
      tell({ type: 'committed', id: message.id })
    }
    if (message.type === 'discard') this.#prepared = null
    if (message.type === 'drain') {
      this.isDrained = true
      this.kill()
    }
  }
  #prepare(id: number, changes: readonly ConfigChange[], version: number): void {
    this.#prepared = () => {
      for (const change of changes) this.rows.set(change.key, change.row)
      this.version = version
    }
    this.emit('message', { type: 'prepared', id, refusal: this.refusal } satisfies FromWorker)
  }
}

async function twoWorkers(t: { after(callback: () => unknown): void }) {
  const workers: FakeWorker[] = []
  const copy = new MemoryCopy(['services'])
  const forked = new EventEmitter()
  const supervisor = new Supervisor({
    copy,
    log: silentLogger,
    // The pause before a replacement is not what these tests are about.
    clock: {
      ...systemClock,
      after: (ms, callback) => systemClock.after(Math.min(ms, 1), callback),
      every: (_ms, callback) => systemClock.every(1, callback),
    },
    events: { answer: message => message, onPeerReports() {} },
    onApplied() {},
    briefing: () => [],
    fork: () => {
      const worker = new FakeWorker()
      workers.push(worker)
      queueMicrotask(() => forked.emit('worker', worker))
      return worker as unknown as ChildProcess
    },
  })
  t.after(() => supervisor.stop())
  const start = { settings: {}, nodeId: 'n', hostname: 'h', role: 'proxy' }
  await supervisor.start({ start, workerCount: 2, addresses: [] })
  return { supervisor, workers, copy, forked }
}

const delta = (version: number, key: string): ConfigDelta => ({
  from: version - 1,
  version,
  config_hash: String(version).padStart(32, '0'),
  changes: [{ entity: 'services', key, row: { id: key } }],
})

test('Supervisor applies a version in all workers and saves it', async t => {
  const { supervisor, workers, copy } = await twoWorkers(t)
  assert.deepEqual(await supervisor.applyDelta(delta(1, 'a')), { ok: true })
  assert.deepEqual(
    workers.map(worker => [...worker.rows.keys()]),
    [['a'], ['a']],
  )
  assert.equal(copy.head().version, 1)
})

test('Supervisor hands a large delta to workers in slices', async t => {
  const { supervisor, workers } = await twoWorkers(t)
  const changes = Array.from({ length: 250 }, (_, i) => ({ entity: 'services', key: `s${i}`, row: { id: `s${i}` } }))
  assert.deepEqual(await supervisor.applyDelta({ ...delta(1, 'a'), changes }), { ok: true })
  for (const worker of workers) {
    assert.deepEqual(worker.batchSizes, [100, 100, 50])
    assert.deepEqual(
      [...worker.rows.keys()],
      changes.map(({ key }) => key),
    )
  }
})

test('Supervisor applies nothing anywhere when one worker refuses', async t => {
  const { supervisor, workers, copy } = await twoWorkers(t)
  workers[1]!.refusal = { entity: 'services', key: 'a', field: 'host', message: 'required field missing' }
  const outcome = await supervisor.applyDelta(delta(1, 'a'))
  assert.deepEqual(outcome, { ok: false, refusal: workers[1]!.refusal })
  assert.deepEqual(
    workers.map(worker => worker.rows.size),
    [0, 0],
  )
  assert.equal(copy.head().version, 0)
})

test('Supervisor applies nothing when it cannot save, and says why', async t => {
  const { supervisor, workers, copy } = await twoWorkers(t)
  copy.applyDelta = () => {
    throw new Error('no space left on device')
  }
  const outcome = await supervisor.applyDelta(delta(1, 'a'))
  assert.ok(!outcome.ok)
  assert.match(outcome.refusal.message, /could not be saved: no space left on device/)
  assert.deepEqual(
    workers.map(worker => worker.rows.size),
    [0, 0],
  )
})

test('Supervisor refuses a version over which a worker dies, and replaces the worker with what the others run', async t => {
  const { supervisor, workers, forked } = await twoWorkers(t)
  await supervisor.applyDelta(delta(1, 'a'))
  workers[0]!.diesOnDelta = true
  const replaced = new Promise<FakeWorker>(resolve => forked.once('worker', resolve))
  const outcome = await supervisor.applyDelta(delta(2, 'b'))
  assert.ok(!outcome.ok)
  assert.match(outcome.refusal.message, /a worker ended/)
  const fresh = await replaced
  // The next change waits until the new worker has the configuration, so it must reach it too.
  while (supervisor.readyCount < 2) await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(await supervisor.applyDelta(delta(2, 'c')), { ok: true })
  assert.deepEqual([...fresh.rows.keys()], ['a', 'c'])
})

test('Supervisor applies a snapshot in place of everything', async t => {
  const { supervisor, workers, copy } = await twoWorkers(t)
  await supervisor.applyDelta(delta(1, 'a'))
  const head = { version: 9, config_hash: '9'.repeat(32) }
  async function* batches() {
    yield [{ entity: 'services', key: 'x', row: { id: 'x' } }]
    yield [{ entity: 'services', key: 'y', row: { id: 'y' } }]
  }
  assert.deepEqual(await supervisor.applySnapshot(head, batches()), { ok: true })
  assert.deepEqual([...workers[0]!.rows.keys()], ['x', 'y'])
  assert.deepEqual(copy.head(), head)
  assert.deepEqual(
    [...copy.load()].flat().map(change => change.key),
    ['x', 'y'],
  )
})

test('Supervisor forgets a snapshot whose source breaks off', async t => {
  const { supervisor, workers, copy } = await twoWorkers(t)
  await supervisor.applyDelta(delta(1, 'a'))
  async function* broken(): AsyncGenerator<ConfigChange[]> {
    yield [{ entity: 'services', key: 'x', row: { id: 'x' } }]
    throw new Error('connection lost')
  }
  await assert.rejects(
    supervisor.applySnapshot({ version: 9, config_hash: '9'.repeat(32) }, broken()),
    /connection lost/,
  )
  assert.deepEqual([...workers[0]!.rows.keys()], ['a'])
  assert.equal(copy.head().version, 1)
})

test('Supervisor leaves a worker that does not report out, and waits for it no longer than a moment', async t => {
  const { supervisor } = await twoWorkers(t)
  assert.deepEqual(await supervisor.collect(), [])
})

test('Supervisor ends a worker that hangs over a version, applies the version all the same, and replaces the worker', async t => {
  const { supervisor, workers, copy, forked } = await twoWorkers(t)
  workers[0]!.hangsOnDelta = true
  const replaced = new Promise<FakeWorker>(resolve => forked.once('worker', resolve))
  assert.deepEqual(await supervisor.applyDelta(delta(1, 'a')), { ok: true })
  assert.equal(workers[0]!.connected, false, 'it was ended')
  assert.equal(copy.head().version, 1)
  const fresh = await replaced
  while (supervisor.readyCount < 2) await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual([...fresh.rows.keys()], ['a'])
})

test('Supervisor refuses a version over which every worker hangs', async t => {
  const { supervisor, workers, copy } = await twoWorkers(t)
  for (const worker of workers) worker.hangsOnDelta = true
  const outcome = await supervisor.applyDelta(delta(1, 'a'))
  assert.ok(!outcome.ok)
  assert.equal(copy.head().version, 0)
})

test('Supervisor starts another worker for one that was told to end, and only then lets it go', async t => {
  const { supervisor, workers, forked } = await twoWorkers(t)
  await supervisor.applyDelta(delta(1, 'a'))
  const [leaving] = workers
  const exited = new Promise(resolve => leaving!.once('exit', resolve))
  const replaced = new Promise<FakeWorker>(resolve => forked.once('worker', resolve))
  leaving!.emit('message', { type: 'leaving' } satisfies FromWorker)
  leaving!.emit('message', { type: 'leaving' } satisfies FromWorker)
  const fresh = await replaced
  assert.equal(leaving!.isDrained, false, 'it serves until the other does')
  await exited
  assert.equal(leaving!.isDrained, true)
  assert.deepEqual([...fresh.rows.keys()], ['a'])
  assert.deepEqual([supervisor.readyCount, workers.length], [2, 3])
})

test('Supervisor keeps a worker that was told to end until another does start, and never has more than it should', async t => {
  const { supervisor, workers, forked } = await twoWorkers(t)
  const [leaving] = workers
  const exited = new Promise(resolve => leaving!.once('exit', resolve))
  let failing = 2
  forked.on('worker', (worker: FakeWorker) => {
    // As one that got the next signal before it listens to signals.
    if (failing-- > 0) worker.kill()
  })
  leaving!.emit('message', { type: 'leaving' } satisfies FromWorker)
  await exited
  assert.deepEqual([supervisor.readyCount, workers.length], [2, 5])
})

test('Supervisor replaces nobody when the whole node is told to end', async t => {
  const { supervisor, workers } = await twoWorkers(t)
  for (const worker of workers) worker.emit('message', { type: 'leaving' } satisfies FromWorker)
  await supervisor.drain(10)
  assert.equal(workers.length, 2)
})

test('Supervisor refuses a snapshot that the disk has no room for, by a name of its own, and takes it later', async t => {
  const { supervisor, workers, copy } = await twoWorkers(t)
  await supervisor.applyDelta(delta(1, 'a'))
  const begin = copy.beginSnapshot.bind(copy)
  copy.beginSnapshot = head => ({
    ...begin(head),
    abort() {},
    add() {
      throw new Error('database or disk is full')
    },
  })
  const head = { version: 9, config_hash: '9'.repeat(32) }
  let read = 0
  async function* batches() {
    for (let i = 0; i < 100; i++, read++) yield [{ entity: 'services', key: `x${i}`, row: { id: `x${i}` } }]
  }
  const outcome = await supervisor.applySnapshot(head, batches())
  assert.ok(!outcome.ok)
  assert.deepEqual(
    [outcome.refusal.field, outcome.refusal.message, read],
    ['saved_config_path', 'could not be saved: database or disk is full', 0],
  )
  assert.deepEqual([copy.head().version, ...workers[0]!.rows.keys()], [1, 'a'])
  copy.beginSnapshot = begin
  assert.deepEqual(await supervisor.applySnapshot(head, batches()), { ok: true })
})
