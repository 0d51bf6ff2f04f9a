/**
 * The data plane's side of synchronisation as a pure state machine: events in, actions out.
 *
 * It follows one control plane of a list, changes to the next when that one fails, and applies one update at a time.
 * A version is acknowledged only when the sink runs it; whatever goes wrong, the old one stays.
 */
import type { Random } from '../base/random.ts'
import type { ConfigDelta, ConfigHead, ConfigRefusal } from '../entities/config.ts'
import { retryDelayMs } from './backoff.ts'
import type { HealthMark } from './health-messages.ts'
import type { ApplyOutcome } from './link.ts'
import type { FromControlPlane, FromDataPlane, Hello, SnapshotBegin } from './messages.ts'
import { HEARTBEAT_INTERVAL_MS, PEER_TIMEOUT_MS } from './timing.ts'

export type DataPlaneEvent =
  | { readonly type: 'start' }
  | { readonly type: 'stop' }
  /** The time of `retry-after` has passed. */
  | { readonly type: 'retry' }
  | { readonly type: 'connected' }
  /** The attempt failed, or the connection ended. */
  | { readonly type: 'disconnected'; readonly reason: string }
  | { readonly type: 'message'; readonly message: FromControlPlane }
  | { readonly type: 'delta'; readonly delta: ConfigDelta }
  | { readonly type: 'chunk'; readonly bytes: Uint8Array }
  /** Answers `apply-delta` and `begin-snapshot`; `head` is what the sink runs now. */
  | { readonly type: 'applied'; readonly result: ApplyResult; readonly head: ConfigHead }
  /** When the certificate should be renewed, or null if it is not renewed over the connection. */
  | { readonly type: 'identity'; readonly renewAt: number | null }
  /** `isBusy`: the transport does not read now, because the sink is behind; so silence means nothing. */
  | { readonly type: 'tick'; readonly isBusy: boolean }

/** `broken-stream`: a snapshot could not be read to its end. `failed`: the sink itself is broken. */
export type ApplyResult = ApplyOutcome | { readonly ok: false; readonly failure: string; readonly isStream: boolean }

export type DataPlaneAction =
  | { readonly type: 'connect'; readonly endpoint: number }
  | { readonly type: 'disconnect'; readonly reason: string }
  | { readonly type: 'retry-after'; readonly ms: number }
  | { readonly type: 'send'; readonly message: FromDataPlane }
  | { readonly type: 'apply-delta'; readonly delta: ConfigDelta }
  | { readonly type: 'begin-snapshot'; readonly head: ConfigHead }
  | { readonly type: 'feed-snapshot'; readonly bytes: Uint8Array }
  | { readonly type: 'end-snapshot' }
  | { readonly type: 'abort-snapshot'; readonly reason: string }
  | { readonly type: 'store-certificate'; readonly certificate: string }
  /** `isFirst`: of this connection, so that health has to be told from the beginning. */
  | { readonly type: 'take-marks'; readonly marks: readonly HealthMark[]; readonly isFirst: boolean }
  /** Whatever is new of health may be sent now. */
  | { readonly type: 'report-health' }
  | { readonly type: 'log'; readonly level: 'info' | 'notice' | 'warn' | 'error'; readonly message: string }

export interface DataPlaneOptions {
  readonly node: Omit<Hello, 'type' | 'applied'>
  /** How many control planes the list names; tried in order. */
  readonly endpoints: number
  readonly random: Random
  /** What the sink runs at start. */
  readonly head: ConfigHead
}

export interface DataPlane {
  step(event: DataPlaneEvent, now: number): readonly DataPlaneAction[]
  isConnected(): boolean
}

interface Applying {
  readonly kind: 'delta' | 'snapshot'
  readonly head: ConfigHead
  /** Snapshot: all chunks were received. */
  isReceived: boolean
  isAborted: boolean
  chunks: number
}

/** A connection that lasted so long was a good one: the next failure starts again with a short delay. */
const STABLE_AFTER_MS = 10_000
const RENEW_RETRY_MS = 60_000
/** What fits into a nack (messages.ts). */
const NACK_TEXT_MAX = { entity: 64, key: 256, field: 256, message: 2_000 }

export function createDataPlane(options: DataPlaneOptions): DataPlane {
  return new DataPlaneMachine(options)
}

class DataPlaneMachine implements DataPlane {
  readonly #options: DataPlaneOptions
  #connection: 'stopped' | 'waiting' | 'connecting' | 'greeting' | 'ready' = 'stopped'
  #endpoint = 0
  #failures = 0
  #readyAt = 0
  #heardAt = 0
  #heartbeatAt = 0
  #renewAt: number | null = null
  #head: ConfigHead
  #applying: Applying | null = null
  /** The rest of a snapshot that we gave up is still arriving. */
  #isSkipping = false
  /** The time to connect came while an update was being applied. */
  #isRetryDue = false
  /** The control plane reads reports of health. */
  #isHealthWanted = false
  #lastRefusal: string | null = null
  #clockNow = 0
  #out: DataPlaneAction[] = []

  constructor(options: DataPlaneOptions) {
    this.#options = options
    this.#head = options.head
  }

  step(event: DataPlaneEvent, now: number): readonly DataPlaneAction[] {
    this.#clockNow = now
    this.#out = []
    if (event.type === 'applied') this.#finish(event.result, event.head)
    else if (event.type === 'identity') this.#renewAt = event.renewAt
    else this.#stepConnection(event)
    return this.#out
  }

  isConnected(): boolean {
    return this.#connection === 'ready'
  }

  #stepConnection(event: Exclude<DataPlaneEvent, { type: 'applied' | 'identity' }>) {
    const isOpen = this.#connection === 'greeting' || this.#connection === 'ready'
    if (event.type === 'start') {
      if (this.#connection === 'stopped') this.#connect()
    } else if (event.type === 'stop') this.#stop()
    else if (event.type === 'retry') {
      if (this.#connection === 'waiting') this.#connect()
    } else if (event.type === 'connected') {
      if (this.#connection === 'connecting') this.#greet()
    } else if (event.type === 'disconnected') {
      if (isOpen || this.#connection === 'connecting') this.#retry(event.reason)
    } else if (isOpen) this.#stepOpen(event)
  }

  #stepOpen(event: Extract<DataPlaneEvent, { type: 'message' | 'delta' | 'chunk' | 'tick' }>) {
    if (event.type === 'tick') return this.#tick(event.isBusy)
    this.#heardAt = this.#clockNow
    if (event.type === 'message') return this.#receive(event.message)
    if (this.#connection !== 'ready') return this.#drop('configuration before welcome')
    if (event.type === 'delta') return this.#receiveDelta(event.delta)
    this.#receiveChunk(event.bytes)
  }

  // ---- connection ----

  #log(level: 'info' | 'notice' | 'warn' | 'error', message: string) {
    this.#out.push({ type: 'log', level, message })
  }

  #connect() {
    // The hello names what runs; while that is changing there is nothing to say yet.
    this.#isRetryDue = this.#applying !== null
    this.#connection = this.#isRetryDue ? 'waiting' : 'connecting'
    if (!this.#isRetryDue) this.#out.push({ type: 'connect', endpoint: this.#endpoint })
  }

  #greet() {
    this.#connection = 'greeting'
    this.#heardAt = this.#clockNow
    this.#isSkipping = false
    this.#isHealthWanted = false
    this.#send({ type: 'hello', ...this.#options.node, applied: this.#head })
  }

  #send(message: FromDataPlane) {
    this.#out.push({ type: 'send', message })
  }

  /** Ends the connection from our side; the transport need not confirm. */
  #drop(reason: string) {
    this.#out.push({ type: 'disconnect', reason })
    this.#retry(reason)
  }

  #retry(reason: string) {
    const what =
      this.#connection === 'connecting' ? 'no connection to control plane' : 'connection to control plane broken'
    if (this.#connection === 'ready' && this.#clockNow - this.#readyAt >= STABLE_AFTER_MS) this.#failures = 0
    this.#connection = 'waiting'
    this.#abandonSnapshot(reason)
    const ms = retryDelayMs(Math.floor(this.#failures / this.#options.endpoints), this.#options.random)
    this.#failures++
    this.#endpoint = (this.#endpoint + 1) % this.#options.endpoints
    this.#log('warn', `${what}: ${reason} (retrying after ${ms} ms)`)
    this.#out.push({ type: 'retry-after', ms })
  }

  #stop() {
    if (this.#connection === 'stopped') return
    this.#connection = 'stopped'
    this.#abandonSnapshot('node is stopping')
    this.#out.push({ type: 'disconnect', reason: 'node is stopping' })
  }

  /** A snapshot whose end we shall not see must not be applied; one that arrived whole may still be. */
  #abandonSnapshot(reason: string) {
    const applying = this.#applying
    if (applying === null || applying.kind !== 'snapshot' || applying.isReceived || applying.isAborted) return
    applying.isAborted = true
    this.#out.push({ type: 'abort-snapshot', reason })
  }

  #tick(isBusy: boolean) {
    if (isBusy) this.#heardAt = this.#clockNow
    if (this.#clockNow - this.#heardAt >= PEER_TIMEOUT_MS) return this.#drop('nothing heard from control plane')
    if (this.#connection !== 'ready') return
    if (this.#clockNow >= this.#heartbeatAt) {
      this.#heartbeatAt = this.#clockNow + HEARTBEAT_INTERVAL_MS
      this.#send({ type: 'heartbeat', ...this.#head })
    }
    if (this.#renewAt !== null && this.#clockNow >= this.#renewAt) {
      this.#renewAt = this.#clockNow + RENEW_RETRY_MS
      this.#send({ type: 'renew' })
    }
    if (this.#connection === 'ready' && this.#isHealthWanted) this.#out.push({ type: 'report-health' })
  }

  // ---- updates ----

  #receive(message: FromControlPlane) {
    if (message.type === 'goodbye') return this.#drop(`control plane says: ${message.reason}`)
    if (message.type === 'welcome') {
      if (this.#connection === 'ready') return this.#drop('welcome twice')
      this.#connection = 'ready'
      this.#readyAt = this.#clockNow
      this.#heartbeatAt = this.#clockNow + HEARTBEAT_INTERVAL_MS
      return this.#log('notice', `connected to control plane ${message.node_id} (version ${message.version})`)
    }
    if (this.#connection !== 'ready') return this.#drop(`${message.type} before welcome`)
    if (message.type === 'snapshot') return this.#beginSnapshot(message)
    if (message.type === 'snapshot_end') return this.#endSnapshot(message.chunks)
    if (message.type === 'certificate') {
      this.#out.push({ type: 'store-certificate', certificate: message.certificate })
    }
    if (message.type === 'health_marks') {
      this.#out.push({ type: 'take-marks', marks: message.marks, isFirst: !this.#isHealthWanted })
      this.#isHealthWanted = true
    }
  }

  #receiveDelta(delta: ConfigDelta) {
    this.#isSkipping = false
    if (this.#applying !== null) return this.#drop('a second update before the first was answered')
    if (delta.from !== this.#head.version) {
      return this.#send({ type: 'resync', reason: `delta starts at ${delta.from}, not at ${this.#head.version}` })
    }
    const { version, config_hash } = delta
    this.#startApplying('delta', { version, config_hash })
    this.#out.push({ type: 'apply-delta', delta })
  }

  #startApplying(kind: 'delta' | 'snapshot', head: ConfigHead) {
    this.#applying = { kind, head, isReceived: kind === 'delta', isAborted: false, chunks: 0 }
  }

  #beginSnapshot({ version, config_hash }: SnapshotBegin) {
    this.#isSkipping = false
    if (this.#applying !== null) return this.#drop('a second update before the first was answered')
    const head = { version, config_hash }
    this.#startApplying('snapshot', head)
    this.#out.push({ type: 'begin-snapshot', head })
  }

  #receiveChunk(bytes: Uint8Array) {
    if (this.#isSkipping) return
    const applying = this.#applying
    if (applying === null || applying.kind !== 'snapshot' || applying.isReceived) {
      return this.#drop('chunk outside of a snapshot')
    }
    applying.chunks++
    this.#out.push({ type: 'feed-snapshot', bytes })
  }

  #endSnapshot(chunks: number) {
    if (this.#isSkipping) {
      this.#isSkipping = false
      return
    }
    const applying = this.#applying
    if (applying === null || applying.kind !== 'snapshot' || applying.isReceived || applying.chunks !== chunks) {
      return this.#drop('snapshot ends at the wrong place')
    }
    applying.isReceived = true
    this.#out.push({ type: 'end-snapshot' })
  }

  #finish(result: ApplyResult, head: ConfigHead) {
    const applying = this.#applying
    if (applying === null) return
    this.#applying = null
    this.#head = head
    if (!applying.isReceived) this.#isSkipping = true
    if (this.#connection === 'ready' && !applying.isAborted) this.#answer(applying, result)
    else if (this.#isRetryDue && this.#connection === 'waiting') this.#connect()
  }

  #answer(applying: Applying, result: ApplyResult) {
    const { version, config_hash } = applying.head
    if (result.ok) {
      this.#lastRefusal = null
      if (this.#head.version === version && this.#head.config_hash === config_hash) {
        return this.#send({ type: 'ack', version, config_hash })
      }
      return this.#send({ type: 'resync', reason: `sink runs ${this.#head.version}, not ${version}` })
    }
    if ('refusal' in result) {
      // A snapshot that does not add up would not the second time either: refused until there is a newer version.
      if (result.resync === true && applying.kind === 'delta') {
        return this.#send({ type: 'resync', reason: cut(result.refusal.message, 256) })
      }
      return this.#refuse(version, result.refusal)
    }
    this.#refuse(version, { entity: '', key: '', field: null, message: result.failure })
    // Not the fault of the configuration, so it is tried again, at the pace of reconnecting.
    this.#drop(result.isStream ? `snapshot unreadable: ${result.failure}` : `cannot apply: ${result.failure}`)
  }

  #refuse(version: number, refusal: ConfigRefusal) {
    const { entity, key, field, message } = refusal
    // Said once: what is tried again later, such as a disk that is full, mostly fails for the same reason.
    const isNews = message !== this.#lastRefusal
    this.#lastRefusal = message
    this.#log(isNews ? 'error' : 'info', `refused version ${version}: ${entity} ${key} ${field ?? ''}: ${message}`)
    this.#send({
      type: 'nack',
      version,
      entity: cut(entity, NACK_TEXT_MAX.entity),
      key: cut(key, NACK_TEXT_MAX.key),
      field: field === null ? null : cut(field, NACK_TEXT_MAX.field),
      message: cut(message, NACK_TEXT_MAX.message),
    })
  }
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`
}
