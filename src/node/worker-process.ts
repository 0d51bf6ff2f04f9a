/** One worker as its parent sees it: the process, what it was asked, and what it still owes. */
import type { ChildProcess } from 'node:child_process'
import type { ConfigChange, ConfigDelta, ConfigHead, ConfigRefusal } from '../entities/config.ts'
import type { ListenAddress } from '../base/listen-address.ts'
import type { BoundSocket } from './bound-sockets.ts'
import type { PeerReport } from '../proxy/health/peer-state.ts'
import type { DnsStats } from '../proxy/upstream/dns-stats.ts'
import type { FromWorker, ToWorker, WorkerReport, WorkerStart } from './worker-messages.ts'

/** How a preparation ended; `dead` when the worker died over it: `hung` if it was ended because it answered nothing. */
export type Prepared =
  | { readonly ok: true }
  | { readonly ok: false; readonly refusal: ConfigRefusal }
  | { readonly dead: true; readonly hung: boolean }

/** Rows in one message: a worker compiles them in some milliseconds, and serves requests before the next. */
const SLICE_ROWS = 100

/** What a worker says unasked. */
export interface WorkerEvents {
  /** Answers what the worker asks of the whole node. */
  answer(message: unknown): unknown
  onPeerReports(reports: readonly PeerReport[]): void
}

interface Owner {
  /** Somebody told the worker to end, not us. */
  onLeaving(worker: WorkerProcess): void
}

interface Waiting {
  resolve(message: FromWorker | null): void
}

export class WorkerProcess {
  readonly slot: number
  readonly startedAt: number
  /** Has the running configuration, and takes part in changes. */
  isReady = false
  isDraining = false
  /** It got a signal to end, and another is to take its place. */
  isLeaving = false
  /** Started by something that fails as a whole if this worker does; until that is decided, nobody replaces it. */
  isOnTrial = false
  /** Times it was asked since it last said anything. */
  unanswered = 0
  hasSpoken = false
  isHung = false
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>
  #hasExited = false
  readonly #child: ChildProcess
  readonly #waiting = new Map<string, Waiting[]>()
  readonly #events: WorkerEvents & Owner
  #failure: string | null = null

  constructor(child: ChildProcess, slot: number, startedAt: number, events: WorkerEvents & Owner) {
    this.#child = child
    this.slot = slot
    this.startedAt = startedAt
    this.#events = events
    child.on('message', message => this.#receive(message as FromWorker))
    // A send to a worker that has just died fails; its exit, which follows, is what counts.
    child.on('error', () => {})
    this.exited = new Promise(resolve => {
      child.once('exit', (code, signal) => {
        this.#hasExited = true
        this.isReady = false
        for (const waiting of this.#waiting.values()) for (const { resolve } of waiting) resolve(null)
        this.#waiting.clear()
        resolve({ code, signal })
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }
  get hasExited(): boolean {
    return this.#hasExited
  }
  /** What the worker said before it gave up, if it did. */
  get failure(): string | null {
    return this.#failure
  }

  async start(start: WorkerStart): Promise<boolean> {
    this.send({ type: 'start', ...start })
    return (await this.#next('started')) !== null
  }

  async listen(address: ListenAddress, socket: BoundSocket): Promise<boolean> {
    this.#child.send({ type: 'listen', address } satisfies ToWorker, socket as never, () => {})
    return (await this.#next(listeningName(address))) !== null
  }

  async prepareDelta(id: number, delta: ConfigDelta): Promise<Prepared> {
    const prepared = this.#next(`prepared ${id}`)
    const { changes } = delta
    let at = 0
    for (; at + SLICE_ROWS < changes.length && !this.#hasExited; at += SLICE_ROWS)
      await this.#sent({ type: 'delta-batch', id, changes: changes.slice(at, at + SLICE_ROWS) })
    this.send({ type: 'delta', id, delta: at === 0 ? delta : { ...delta, changes: changes.slice(at) } })
    return this.#preparedFrom(await prepared)
  }

  beginSnapshot(id: number, head: ConfigHead): void {
    this.send({ type: 'snapshot-begin', id, head })
  }
  /** Resolves when the batch has left this process, which keeps memory bounded. */
  async addToSnapshot(id: number, batch: readonly ConfigChange[]): Promise<void> {
    for (let at = 0; at < batch.length && !this.#hasExited; at += SLICE_ROWS) {
      await this.#sent({ type: 'snapshot-batch', id, changes: batch.slice(at, at + SLICE_ROWS) })
    }
  }

  /** A worker that hangs takes nothing more, until it is ended for that. */
  async #sent(message: ToWorker): Promise<void> {
    const taken = new Promise<void>(resolve => this.#child.send(message, () => resolve()))
    await Promise.race([taken, this.exited])
  }

  async endSnapshot(id: number): Promise<Prepared> {
    const prepared = this.#next(`prepared ${id}`)
    this.send({ type: 'snapshot-end', id })
    return this.#preparedFrom(await prepared)
  }

  async commit(id: number): Promise<void> {
    const committed = this.#next(`committed ${id}`)
    this.send({ type: 'commit', id })
    await committed
  }
  discard(id: number): void {
    this.send({ type: 'discard', id })
  }

  async collect(id: number): Promise<WorkerReport | null> {
    const collected = this.#next(`collected ${id}`)
    this.send({ type: 'collect', id })
    const message = await collected
    return message?.type === 'collected' ? message.report : null
  }

  async dnsStats(id: number): Promise<DnsStats> {
    const answered = this.#next(`dns-stats ${id}`)
    this.send({ type: 'dns-stats', id })
    const message = await answered
    return message?.type === 'dns-stats' ? message.stats : {}
  }

  send(message: ToWorker): void {
    if (!this.#hasExited && this.#child.connected) this.#child.send(message, () => {})
  }
  kill(signal: NodeJS.Signals): void {
    if (!this.#hasExited) this.#child.kill(signal)
  }

  ping(): void {
    this.unanswered++
    this.send({ type: 'ping' })
  }

  #preparedFrom(message: FromWorker | null): Prepared {
    if (message?.type !== 'prepared') return { dead: true, hung: this.isHung }
    return message.refusal === null ? { ok: true } : { ok: false, refusal: message.refusal }
  }

  /** The next message of that name, or null when the worker exits first. */
  #next(name: string): Promise<FromWorker | null> {
    if (this.#hasExited) return Promise.resolve(null)
    return new Promise(resolve => {
      const waiting = this.#waiting.get(name) ?? []
      waiting.push({ resolve })
      this.#waiting.set(name, waiting)
    })
  }

  #receive(message: FromWorker): void {
    this.unanswered = 0
    this.hasSpoken = true
    if (message.type === 'pong') return
    if (message.type === 'leaving') return this.#events.onLeaving(this)
    if (message.type === 'failed') {
      this.#failure = message.message
      return
    }
    if (message.type === 'ask') {
      this.send({ type: 'answer', id: message.id, answer: this.#events.answer(message.message) })
      return
    }
    if (message.type === 'peer-reports') return this.#events.onPeerReports(message.reports)
    const name =
      message.type === 'listening'
        ? listeningName(message.address)
        : 'id' in message
          ? `${message.type} ${message.id}`
          : message.type
    const waiting = this.#waiting.get(name)
    this.#waiting.delete(name)
    for (const { resolve } of waiting ?? []) resolve(message)
  }
}

function listeningName({ host, port, udp }: ListenAddress): string {
  return `listening ${host} ${port}${udp === true ? ' udp' : ''}`
}
