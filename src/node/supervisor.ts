/**
 * The workers of a node: started, watched, drained, replaced; and the sink through which configuration reaches them.
 *
 * A version is prepared in every worker, then saved, then committed in every worker. A worker that refuses it, or
 * dies over it, makes the whole node refuse it. A new worker first gets the configuration that the others run.
 */
import type { ChildProcess } from 'node:child_process'
import type { Clock, Timer } from '../base/clock.ts'
import type { ListenAddress } from '../base/listen-address.ts'
import type { Logger, LogLevel } from '../base/logger.ts'
import type { ApplyOutcome, ConfigSink } from '../cluster/link.ts'
import { NOT_SAVED } from '../cluster/messages.ts'
import type { ConfigChange, ConfigDelta, ConfigHead, ConfigRefusal } from '../entities/config.ts'
import type { DnsStats } from '../proxy/upstream/dns-stats.ts'
import { bindAddresses } from './bind-addresses.ts'
import { type BoundAddress, closeSockets, socketsOf } from './bound-sockets.ts'
import type { ConfigCopy, SnapshotWriter } from './config-copy.ts'
import type { ToWorker, WorkerReport, WorkerStart } from './worker-messages.ts'
import { type Prepared, type WorkerEvents, WorkerProcess } from './worker-process.ts'
import { watchWorkers } from './worker-watch.ts'

export interface SupervisorOptions {
  readonly copy: ConfigCopy
  readonly log: Logger
  readonly clock: Clock
  readonly fork: (slot: number) => ChildProcess
  readonly events: WorkerEvents
  /** All workers run another version: a snapshot, or the one before with these changes. */
  readonly onApplied: (changes: readonly ConfigChange[] | null) => void
  /** What a new worker is told before it takes traffic. */
  readonly briefing: () => readonly ToWorker[]
}

/** What may change with a reload. */
export interface WorkerPlan {
  readonly start: Omit<WorkerStart, 'slot' | 'workerCount'>
  readonly workerCount: number
  readonly addresses: readonly ListenAddress[]
}

/** A worker that died younger than this is replaced only after a pause, so that a fault at start does not spin. */
const EARLY_DEATH_MS = 2000
const RESTART_PAUSE_MS = 1000
/** A worker that is too busy to report is left out, so that it does not hold up `/status` and `/metrics` as well. */
const COLLECT_TIMEOUT_MS = 2000
/** A signal to the whole group reaches the main process as well, within this: then all end, and nobody is replaced. */
const GROUP_SIGNAL_MS = 200
/** Starts of another before the one that was told to end goes on. */
const LEAVING_TRIES = 5
/** What a worker that was told to end by others may finish. */
const LEAVING_DRAIN_MS = 10_000
/** How long a worker may take to leave after its drain time is over. */
const KILL_AFTER_MS = 2000

export class Supervisor implements ConfigSink {
  readonly #options: SupervisorOptions
  #plan: WorkerPlan | null = null
  #bound: BoundAddress[] = []
  #workers = new Set<WorkerProcess>()
  #queue: Promise<unknown> = Promise.resolve()
  #nextId = 1
  #isStopping = false
  readonly #watch: Timer

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#watch = watchWorkers({ ...options, workers: () => this.#workers })
  }

  /** Binds, starts the workers with the saved configuration, and resolves when all of them accept connections. */
  async start(plan: WorkerPlan): Promise<void> {
    this.#plan = plan
    try {
      this.#bound = await bindAddresses(plan.addresses, plan.workerCount)
      await this.#startAll()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Where the node listens, with the ports that the system chose. */
  get addresses(): readonly ListenAddress[] {
    return this.#bound.map(bound => bound.address).filter(address => address.isImplied !== true)
  }
  get pids(): readonly number[] {
    return [...this.#workers].filter(worker => worker.isReady).map(worker => worker.pid)
  }
  get readyCount(): number {
    return this.pids.length
  }
  get workerCount(): number {
    return this.#plan?.workerCount ?? 0
  }

  head(): ConfigHead {
    return this.#options.copy.head()
  }

  applyDelta(delta: ConfigDelta): Promise<ApplyOutcome> {
    return this.#exclusively(async () => {
      const { copy } = this.#options
      const check = copy.check(delta)
      if (!check.ok) return check
      const id = this.#nextId++
      const workers = this.#ready()
      const prepared = await Promise.all(workers.map(worker => worker.prepareDelta(id, delta)))
      const outcome = await this.#finish(id, workers, firstRefusal(prepared), () => copy.applyDelta(delta))
      if (outcome.ok) this.#options.onApplied(delta.changes)
      return outcome
    })
  }

  applySnapshot(head: ConfigHead, batches: AsyncIterable<readonly ConfigChange[]>): Promise<ApplyOutcome> {
    return this.#exclusively(async () => {
      const id = this.#nextId++
      const workers = this.#ready()
      let begun: SnapshotWriter | null = null
      const unwritable = notSaved(() => (begun = this.#options.copy.beginSnapshot(head)))
      if (unwritable !== null) return { ok: false, refusal: unwritable }
      const writer = begun!
      try {
        for (const worker of workers) worker.beginSnapshot(id, head)
        for await (const changes of batches) {
          const refusal = notSaved(() => writer.add(changes))
          if (refusal !== null) {
            writer.abort()
            for (const worker of workers) worker.discard(id)
            return { ok: false, refusal }
          }
          await Promise.all(workers.map(worker => worker.addToSnapshot(id, changes)))
        }
        const prepared = await Promise.all(workers.map(worker => worker.endSnapshot(id)))
        const outcome = await this.#finish(id, workers, firstRefusal(prepared), () => writer.commit())
        if (outcome.ok) this.#options.onApplied(null)
        else writer.abort()
        return outcome
      } catch (error) {
        writer.abort()
        for (const worker of workers) worker.discard(id)
        throw error
      }
    })
  }

  /** Saves and commits a version that everybody has prepared, or lets everybody forget one that somebody refused. */
  async #finish(
    id: number,
    workers: readonly WorkerProcess[],
    prepared: ConfigRefusal | null,
    save: () => void,
  ): Promise<ApplyOutcome> {
    const refusal = prepared ?? notSaved(save)
    if (refusal !== null) {
      for (const worker of workers) worker.discard(id)
      return { ok: false, refusal }
    }
    await Promise.all(workers.map(worker => worker.commit(id)))
    return { ok: true }
  }

  async collect(): Promise<WorkerReport[]> {
    const id = this.#nextId++
    const late = new Promise<null>(resolve => this.#options.clock.after(COLLECT_TIMEOUT_MS, () => resolve(null)))
    const reports = await Promise.all(this.#ready().map(worker => Promise.race([worker.collect(id), late])))
    return reports.filter(report => report !== null)
  }

  /** Of the workers that answer in time. */
  async dnsStats(): Promise<DnsStats[]> {
    const id = this.#nextId++
    const late = new Promise<DnsStats>(resolve => this.#options.clock.after(COLLECT_TIMEOUT_MS, () => resolve({})))
    return Promise.all(this.#ready().map(worker => Promise.race([worker.dnsStats(id), late])))
  }

  setLogLevel(level: LogLevel): void {
    for (const worker of this.#workers) worker.send({ type: 'log-level', level })
  }
  /** To every worker, those that are just starting too. */
  broadcast(message: ToWorker): void {
    for (const worker of this.#workers) worker.send(message)
  }
  reopenLogs(): void {
    for (const worker of this.#workers) worker.send({ type: 'reopen-logs' })
  }

  /** New workers with new settings and addresses first; the old ones finish what they have. */
  async reload(plan: WorkerPlan, drainTimeoutMs: number): Promise<void> {
    const previous = [...this.#workers]
    const before = { plan: this.#plan, bound: this.#bound }
    const bound = await bindAddresses(plan.addresses, plan.workerCount, before.bound)
    try {
      this.#plan = plan
      this.#bound = bound
      await this.#startAll()
    } catch (error) {
      this.#plan = before.plan
      this.#bound = before.bound
      for (const worker of this.#workers) if (!previous.includes(worker)) worker.kill('SIGKILL')
      closeSockets(bound, before.bound)
      throw error
    }
    closeSockets(before.bound, bound)
    for (const worker of previous) void this.#drainWorker(worker, drainTimeoutMs)
  }

  /** All workers of the plan, or none and the reason. */
  async #startAll(): Promise<void> {
    const slots = Array.from({ length: this.workerCount }, (_, slot) => slot)
    const workers = await Promise.all(slots.map(slot => this.#startWorker(slot, true)))
    for (const worker of workers) {
      worker.isOnTrial = false
      if (worker.hasExited) throw new Error(`worker ${worker.pid} ended while others were starting`)
    }
  }

  async drain(timeoutMs: number): Promise<void> {
    this.#isStopping = true
    const drained = [...this.#workers].map(worker => this.#drainWorker(worker, timeoutMs))
    // Not at the end: a socket that is open here takes connections that nobody will ever accept.
    this.#closeSockets()
    await Promise.all(drained)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    for (const worker of this.#workers) worker.kill('SIGKILL')
    await Promise.all([...this.#workers].map(worker => worker.exited))
    this.#closeSockets()
    this.#watch.cancel()
  }

  #closeSockets(): void {
    closeSockets(this.#bound)
    this.#bound = []
  }

  /** Another takes its place first, so that no connection waits for one that is starting. */
  #onLeaving(worker: WorkerProcess): void {
    const { clock, log } = this.#options
    const isOver = () => this.#isStopping || worker.isDraining || worker.isOnTrial || worker.hasExited
    if (isOver() || worker.isLeaving) return
    worker.isLeaving = true
    const replace = async (triesLeft: number): Promise<void> => {
      if (isOver()) return
      try {
        // On trial: if it ends, the one that is to leave is still there, and nobody else takes its place.
        const fresh = await this.#startWorker(worker.slot, true)
        fresh.isOnTrial = false
        await this.#drainWorker(worker, LEAVING_DRAIN_MS)
      } catch (error) {
        const { message } = error as Error
        if (triesLeft > 0) return void clock.after(RESTART_PAUSE_MS, () => void replace(triesLeft - 1))
        worker.isLeaving = false
        log.error(`worker ${worker.pid} goes on, as no other could be started: ${message}`)
      }
    }
    clock.after(GROUP_SIGNAL_MS, () => {
      if (!isOver()) log.notice(`worker ${worker.pid} was told to end; starting another`)
      void replace(LEAVING_TRIES - 1)
    })
  }

  async #drainWorker(worker: WorkerProcess, timeoutMs: number): Promise<void> {
    worker.isDraining = true
    worker.isReady = false
    worker.send({ type: 'drain', timeoutMs })
    const timer = this.#options.clock.after(timeoutMs + KILL_AFTER_MS, () => worker.kill('SIGKILL'))
    await worker.exited
    timer.cancel()
  }

  /** Workers that run the configuration. */
  #ready(): WorkerProcess[] {
    return [...this.#workers].filter(worker => worker.isReady)
  }

  /** One change of configuration, or start of a worker, at a time. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work)
    this.#queue = done.catch(() => {})
    return done
  }

  async #startWorker(slot: number, isOnTrial = false): Promise<WorkerProcess> {
    const { fork, clock, events, briefing } = this.#options
    const plan = this.#plan!
    const owner = { ...events, onLeaving: (leaving: WorkerProcess) => this.#onLeaving(leaving) }
    const worker = new WorkerProcess(fork(slot), slot, clock.now(), owner)
    worker.isOnTrial = isOnTrial
    this.#workers.add(worker)
    void worker.exited.then(exit => this.#afterExit(worker, exit))
    const started = await worker.start({ ...plan.start, slot, workerCount: plan.workerCount })
    if (started) await this.#exclusively(() => this.#giveConfiguration(worker))
    for (const message of briefing()) worker.send(message)
    for (const bound of this.#bound) {
      for (const socket of socketsOf(bound, slot, plan.workerCount)) {
        if (!worker.hasExited) await worker.listen(bound.address, socket)
      }
    }
    if (worker.hasExited) throw new Error(worker.failure ?? `worker ${worker.pid} ended while it was starting`)
    return worker
  }

  async #giveConfiguration(worker: WorkerProcess): Promise<void> {
    const { copy, log } = this.#options
    if (copy.isConfigured()) {
      const head = copy.head()
      const id = this.#nextId++
      worker.beginSnapshot(id, head)
      for (const changes of copy.load()) await worker.addToSnapshot(id, changes)
      const prepared = await worker.endSnapshot(id)
      if ('ok' in prepared && prepared.ok) await worker.commit(id)
      else if ('refusal' in prepared) log.error('a worker refused the saved configuration', { ...prepared.refusal })
    }
    worker.isReady = !worker.hasExited
  }

  #afterExit(worker: WorkerProcess, exit: { code: number | null; signal: string | null }): void {
    const { log, clock } = this.#options
    this.#workers.delete(worker)
    if (this.#isStopping || worker.isDraining || worker.isOnTrial || worker.slot >= this.workerCount) return
    const reason = exit.signal === null ? `exited with code ${exit.code}` : `was ended by ${exit.signal}`
    const isEarly = clock.now() - worker.startedAt < EARLY_DEATH_MS
    log.error(`worker ${worker.pid} ${reason}; starting another`)
    const replace = () => {
      if (this.#isStopping || worker.slot >= this.workerCount) return
      this.#startWorker(worker.slot).catch((error: Error) => log.error(`a worker did not start: ${error.message}`))
    }
    if (isEarly) clock.after(RESTART_PAUSE_MS, replace)
    else replace()
  }
}

/** A full disk, mostly: no fault of the version, which may be saved later. */
function notSaved(save: () => unknown): ConfigRefusal | null {
  try {
    save()
    return null
  } catch (error) {
    return { entity: '', key: '', field: NOT_SAVED, message: `could not be saved: ${(error as Error).message}` }
  }
}

/** A worker that hung is no reason if others can do it: the one in its place gets what they run. */
function firstRefusal(prepared: readonly Prepared[]): ConfigRefusal | null {
  const canIgnoreHung = prepared.some(result => 'ok' in result && result.ok)
  for (const result of prepared) {
    if ('dead' in result && result.hung && canIgnoreHung) continue
    if ('dead' in result)
      return { entity: '', key: '', field: null, message: 'a worker ended while it prepared this version' }
    if (!result.ok) return result.refusal
  }
  return null
}
