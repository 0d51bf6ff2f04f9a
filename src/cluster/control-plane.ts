/**
 * The control plane's side of synchronisation as a pure state machine: events in, actions out.
 *
 * All data planes are led towards one target version. At most one update is on its way to each; the next one covers
 * everything since, so bursts collapse. What is sent is encoded once and shared. Nothing here assumes that this is the
 * only control plane: heads may jump, and a data plane may know a newer version than we do.
 */
import { assert } from '../base/assert.ts'
import type { ConfigHead } from '../entities/config.ts'
import { EMPTY_HEAD } from '../entities/config.ts'
import { versionConflict } from './compatibility.ts'
import type { BuiltDelta, ControlPlaneAction, ControlPlaneEvent } from './control-plane-events.ts'
import { DeltaCache } from './delta-cache.ts'
import { HEALTH_CAPABILITY, type HealthReport } from './health-messages.ts'
import { MarkBoard } from './mark-board.ts'
import { type FromControlPlane, type FromDataPlane, type Hello, type Nack, NOT_SAVED } from './messages.ts'
import type { DataPlaneRecord } from '../entities/cluster-view.ts'
import {
  firstRecord,
  HEARTBEAT_CREDIT_MAX,
  mayReport,
  openSession,
  postponeRetry,
  reasonToClose,
  type Session,
  type SessionId,
} from './session.ts'
import { createSnapshotPlan, type SnapshotPlan } from './snapshot-plan.ts'
import { HEARTBEAT_INTERVAL_MS } from './timing.ts'

/** Pushed versions are at least this far apart, so that a burst of writes costs few encodings; the first goes at once. */
const PUBLISH_INTERVAL_MS = 20
const CHUNK_WINDOW = 4
/** A data plane may ask for a full snapshot so often; the first time is free. */
const RESYNC_INTERVAL_MS = 5_000

export interface ControlPlaneOptions {
  readonly nodeId: string
  /** The Kong version that this control plane is compatible with. */
  readonly version: string
}

export interface ControlPlane {
  step(event: ControlPlaneEvent, now: number): readonly ControlPlaneAction[]
  sessionCount(): number
}

export function createControlPlane(options: ControlPlaneOptions): ControlPlane {
  return new ControlPlaneMachine(options)
}

/** The state machine; the wish for time, sockets and the store leaves it as actions. */
class ControlPlaneMachine implements ControlPlane {
  readonly #options: ControlPlaneOptions
  readonly #sessions = new Map<SessionId, Session>()
  /** To the target. */
  readonly #deltas = new DeltaCache()
  readonly #snapshots: SnapshotPlan
  readonly #marks = new MarkBoard()
  /** The newest version that we have heard of. */
  #head = EMPTY_HEAD
  #isHeadKnown = false
  /** The version that data planes are being led to; follows the head at PUBLISH_INTERVAL_MS. */
  #target = EMPTY_HEAD
  #publishAt = 0
  #isWakePending = false
  #clockNow = 0
  #out: ControlPlaneAction[] = []

  constructor(options: ControlPlaneOptions) {
    this.#options = options
    this.#snapshots = createSnapshotPlan(action => this.#out.push(action))
  }

  step(event: ControlPlaneEvent, now: number): readonly ControlPlaneAction[] {
    this.#clockNow = now
    this.#out = []
    if ('session' in event) this.#stepSession(event)
    else this.#stepCluster(event)
    return this.#out
  }

  sessionCount(): number {
    return this.#sessions.size
  }

  #send(session: Session, message: FromControlPlane) {
    this.#countFrame(session)
    this.#out.push({ type: 'send', session: session.id, message })
  }

  #countFrame(session: Session) {
    if (session.unflushed === 0) session.flushedAt = this.#clockNow
    session.unflushed++
  }

  #close(session: Session, reason: string) {
    this.#out.push({ type: 'close', session: session.id, reason })
    this.#forget(session)
  }

  #forget(session: Session) {
    this.#sessions.delete(session.id)
    if (session.followsHealth) this.#out.push({ type: 'health-over', session: session.id })
    this.#releaseSpools()
  }

  #releaseSpools() {
    // Called with every answer of every data plane, and mostly there is nothing to release.
    if (this.#snapshots.isEmpty()) return
    const used = new Set<number>()
    for (const { update } of this.#sessions.values()) if (update?.kind === 'snapshot') used.add(update.spool)
    this.#snapshots.release(used, this.#clockNow)
  }

  #writeRecord(session: Session, changes: Partial<DataPlaneRecord>, changed: boolean) {
    assert(session.record !== null, 'a session that said hello has a record')
    session.record = { ...session.record, ...changes, last_seen: Math.floor(this.#clockNow / 1000) }
    this.#out.push({ type: 'record', record: session.record, changed })
  }

  // ---- versions ----

  #learnHead(next: ConfigHead) {
    if (this.#isHeadKnown && next.version <= this.#head.version) return
    this.#head = next
    this.#isHeadKnown = true
  }

  #receiveHead(next: ConfigHead, isAnswer: boolean) {
    this.#learnHead(next)
    this.#publish()
    for (const session of this.#sessions.values()) {
      if (isAnswer && session.headAnswer === 'asked') session.headAnswer = 'answered'
      if (session.headAnswer === 'answered') this.#advance(session)
    }
  }

  #publish() {
    if (!this.#isHeadKnown || this.#head.version <= this.#target.version) return
    if (this.#clockNow < this.#publishAt) {
      if (this.#isWakePending) return
      this.#isWakePending = true
      this.#out.push({ type: 'wake', ms: this.#publishAt - this.#clockNow })
      return
    }
    this.#publishAt = this.#clockNow + PUBLISH_INTERVAL_MS
    this.#moveTarget(this.#head)
    for (const session of this.#sessions.values()) this.#advance(session)
  }

  #moveTarget(next: ConfigHead) {
    this.#target = next
    this.#deltas.clear()
  }

  /** Starts the next update of a session if it is behind and none is on its way. */
  #advance(session: Session) {
    if (session.record === null || !this.#isHeadKnown || session.update !== null || session.waitingFrom !== null) return
    if (session.refusedVersion === this.#target.version || this.#clockNow < session.retryNotBefore) return
    const { applied } = session
    const isThere = applied.version === this.#target.version && applied.config_hash === this.#target.config_hash
    if (isThere && !session.needsSnapshot) return
    if (applied.version > this.#target.version && !this.#isAhead(session)) return
    if (session.needsSnapshot || applied.version === 0 || applied.version >= this.#target.version)
      this.#startSnapshot(session)
    else this.#startDelta(session)
  }

  /** True when the data plane really is ahead of the store: another control plane may know more than we have heard of. */
  #isAhead(session: Session): boolean {
    if (this.#head.version > this.#target.version && session.applied.version <= this.#head.version) return false
    if (session.headAnswer === 'none') {
      session.headAnswer = 'asked'
      this.#out.push({ type: 'read-head' })
    }
    return session.headAnswer === 'answered'
  }

  #startDelta(session: Session) {
    const from = session.applied.version
    const ready = this.#deltas.get(from)
    if (ready !== undefined) {
      this.#sendDelta(session, ready)
      return
    }
    session.waitingFrom = from
    if (this.#deltas.beginBuilding(from)) this.#out.push({ type: 'build-delta', from })
  }

  #sendDelta(session: Session, built: BuiltDelta) {
    session.update = {
      kind: 'delta',
      startedAt: this.#clockNow,
      spool: -1,
      head: built.head,
      nextChunk: 0,
      isEnded: true,
    }
    this.#countFrame(session)
    this.#out.push({ type: 'send-delta', session: session.id, frame: built.frame })
  }

  #receiveDelta(from: number, built: BuiltDelta | null | 'failed') {
    this.#deltas.endBuilding(from)
    const waiting = [...this.#sessions.values()].filter(session => session.waitingFrom === from)
    for (const session of waiting) session.waitingFrom = null
    // The next tick asks again.
    if (built === 'failed') return
    if (built !== null) {
      this.#learnHead(built.head)
      if (built.head.version > this.#target.version) this.#moveTarget(built.head)
      if (built.head.version === this.#target.version) this.#deltas.keep(from, built)
    }
    for (const session of waiting) {
      if (built === null) session.needsSnapshot = true
      else if (session.refusedVersion !== built.head.version) this.#sendDelta(session, built)
    }
    for (const session of this.#sessions.values()) this.#advance(session)
  }

  #startSnapshot(session: Session) {
    session.needsSnapshot = true
    if (this.#clockNow < session.snapshotNotBefore) return
    const used = [...this.#sessions.values()].flatMap(({ update }) =>
      update?.kind === 'snapshot' ? [update.spool] : [],
    )
    const { spool, evicted } = this.#snapshots.pick({
      applied: session.applied,
      target: this.#target,
      refusedVersion: session.refusedVersion,
      now: this.#clockNow,
      inUse: used,
    })
    session.update = { kind: 'snapshot', startedAt: this.#clockNow, spool, head: null, nextChunk: 0, isEnded: false }
    if (evicted !== null) {
      for (const other of this.#sessions.values()) {
        if (other.update?.kind === 'snapshot' && other.update.spool === evicted)
          this.#close(other, 'snapshot read too slowly')
      }
    }
    this.#pump(session)
  }

  /** The export had begun before the data plane got a newer version, through another control plane. */
  #wouldGoBack({ applied }: Session, { version }: ConfigHead): boolean {
    return version < applied.version && applied.version <= this.#target.version
  }

  /** Sends what the spool holds and the session's send queue has room for. */
  #pump(session: Session) {
    const { update } = session
    if (update === null || update.kind !== 'snapshot' || update.isEnded) return
    const spool = this.#snapshots.get(update.spool)
    if (spool === null || spool.head === null) return
    if (update.head === null) {
      if (this.#wouldGoBack(session, spool.head)) {
        session.update = null
        return this.#advance(session)
      }
      update.head = spool.head
      this.#send(session, { type: 'snapshot', ...spool.head, encoding: 'zstd' })
    }
    while (session.unflushed < CHUNK_WINDOW && update.nextChunk < spool.chunks) {
      this.#countFrame(session)
      this.#out.push({ type: 'send-chunk', session: session.id, spool: update.spool, chunk: update.nextChunk++ })
    }
    if (!spool.isComplete || update.nextChunk < spool.chunks) return
    update.isEnded = true
    this.#send(session, { type: 'snapshot_end', chunks: spool.chunks })
  }

  // ---- messages ----

  #greet(session: Session, hello: Hello) {
    if (session.record !== null) return this.#close(session, 'hello twice')
    if (session.peer.nodeId !== null && session.peer.nodeId !== hello.node_id) {
      return this.#close(session, 'node id is not the one of the certificate')
    }
    for (const other of this.#sessions.values()) {
      if (other.record?.id === hello.node_id) this.#close(other, 'replaced by a newer connection of the same node')
    }
    const conflict = versionConflict(hello.version, this.#options.version)
    session.applied = hello.applied
    // Perhaps it never had any: told that there is nothing, it is ready, and knows that no route matches.
    session.needsSnapshot = hello.applied.version === 0
    session.record = firstRecord(hello, session.peer, { isCompatible: conflict === null, now: this.#clockNow })
    this.#writeRecord(session, {}, true)
    if (conflict !== null) {
      this.#send(session, { type: 'goodbye', reason: conflict })
      return this.#close(session, conflict)
    }
    this.#send(session, { type: 'welcome', node_id: this.#options.nodeId, version: this.#options.version })
    if (hello.capabilities.includes(HEALTH_CAPABILITY)) this.#followHealth(session)
    this.#advance(session)
  }

  #acknowledge(session: Session, version: number, configHash: string) {
    const { update } = session
    if (update?.head?.version !== version || !update.isEnded)
      return this.#close(session, 'acknowledged what was not sent')
    session.update = null
    session.applied = { version, config_hash: configHash }
    session.saveFailures = 0
    const agrees = update.head.config_hash === configHash
    // After a snapshot a different hash means that the two sides count differently: sending it again cannot help.
    session.refusedVersion = agrees || update.kind === 'delta' ? null : version
    session.needsSnapshot = !agrees
    session.headAnswer = 'none'
    const last_error = agrees
      ? null
      : { entity: '', key: '', field: 'config_hash', message: `is ${configHash}, expected ${update.head.config_hash}` }
    this.#writeRecord(session, { applied_version: version, config_hash: configHash, last_error }, true)
    this.#releaseSpools()
    this.#advance(session)
  }

  #refuse(session: Session, { version, entity, key, field, message }: Nack) {
    if (session.update?.head?.version !== version) return this.#close(session, 'refused what was not sent')
    session.needsSnapshot = session.update.kind === 'snapshot'
    session.update = null
    if (field === NOT_SAVED) postponeRetry(session, this.#clockNow)
    else session.refusedVersion = version
    this.#writeRecord(session, { last_error: { entity, key, field, message } }, true)
    this.#releaseSpools()
    this.#advance(session)
  }

  #resync(session: Session) {
    session.update = null
    session.waitingFrom = null
    session.needsSnapshot = true
    session.refusedVersion = null
    this.#releaseSpools()
    this.#advance(session)
    session.snapshotNotBefore = this.#clockNow + RESYNC_INTERVAL_MS
  }

  #beat(session: Session, running: ConfigHead) {
    if (--session.heartbeatCredit < 0) return this.#close(session, 'too many heartbeats')
    const isSame =
      running.version === session.record!.applied_version && running.config_hash === session.record!.config_hash
    if (session.update === null && session.waitingFrom === null && !session.needsSnapshot) session.applied = running
    this.#writeRecord(session, { applied_version: running.version || null, config_hash: running.config_hash }, !isSame)
    this.#advance(session)
  }

  // ---- health ----

  /** The empty message says that reports are welcome. */
  #followHealth(session: Session) {
    session.followsHealth = true
    this.#send(session, { type: 'health_marks', marks: [] })
    this.#tellMarks(session)
  }

  #tellMarks(session: Session) {
    for (const message of this.#marks.after(session.markNumber)) this.#send(session, message)
    session.markNumber = this.#marks.last
  }

  #hearHealth(session: Session, { upstreams }: HealthReport) {
    if (!session.followsHealth) return this.#close(session, 'health was not asked for')
    if (!mayReport(session, this.#clockNow)) return this.#close(session, 'too many health reports')
    this.#out.push({ type: 'health', session: session.id, nodeId: session.record!.id, upstreams })
  }

  #receive(session: Session, message: FromDataPlane) {
    session.heardAt = this.#clockNow
    if (message.type === 'hello') return this.#greet(session, message)
    if (session.record === null) return this.#close(session, 'hello expected')
    if (message.type === 'ack') return this.#acknowledge(session, message.version, message.config_hash)
    if (message.type === 'nack') return this.#refuse(session, message)
    if (message.type === 'resync') return this.#resync(session)
    if (message.type === 'health') return this.#hearHealth(session, message)
    if (message.type === 'heartbeat') {
      return this.#beat(session, { version: message.version, config_hash: message.config_hash })
    }
    if (!session.peer.renewable) return this.#close(session, 'this certificate is not renewed here')
    if (--session.heartbeatCredit < 0) return this.#close(session, 'too many renewals')
    this.#out.push({ type: 'renew', session: session.id })
  }

  // ---- time ----

  #tick() {
    this.#isWakePending = false
    for (const session of [...this.#sessions.values()]) this.#tickSession(session)
    this.#releaseSpools()
    this.#publish()
  }

  #tickSession(session: Session) {
    const reason = reasonToClose(session, this.#clockNow)
    if (reason !== null) return this.#close(session, reason)
    if (session.record === null) return
    if (session.headAnswer === 'asked') session.headAnswer = 'none'
    if (this.#clockNow >= session.heartbeatAt) {
      session.heartbeatAt = this.#clockNow + HEARTBEAT_INTERVAL_MS
      session.heartbeatCredit = Math.min(HEARTBEAT_CREDIT_MAX, session.heartbeatCredit + 2)
      this.#send(session, { type: 'heartbeat', ...this.#target })
    }
    this.#advance(session)
  }

  #renewed(session: Session, certificate: string, expiresAt: number) {
    session.peer = { ...session.peer, certificateExpiresAt: expiresAt }
    this.#send(session, { type: 'certificate', certificate })
    if (session.record === null) return
    this.#writeRecord(session, { cert_details: { expiry_timestamp: Math.floor(expiresAt / 1000) } }, true)
  }

  #stepSession(event: Extract<ControlPlaneEvent, { session: SessionId }>) {
    if (event.type === 'opened') {
      this.#sessions.set(event.session, openSession(event.session, event.peer, this.#clockNow))
      return
    }
    const session = this.#sessions.get(event.session)
    // The machine forgets a session when it decides to close it; the transport may still be telling of it.
    if (session === undefined) return
    if (event.type === 'message') return this.#receive(session, event.message)
    if (event.type === 'renewed') return this.#renewed(session, event.certificate, event.expiresAt)
    if (event.type === 'closed') return this.#forget(session)
    session.unflushed -= event.frames
    session.flushedAt = this.#clockNow
    this.#pump(session)
  }

  #stepCluster(event: Exclude<ControlPlaneEvent, { session: SessionId }>) {
    if (event.type === 'tick') return this.#tick()
    if (event.type === 'delta') return this.#receiveDelta(event.from, event.built)
    if (event.type === 'head') {
      return this.#receiveHead(event.head, event.isAnswer)
    }
    if (event.type === 'marks') {
      this.#marks.replace(event.marks)
      for (const session of this.#sessions.values()) if (session.followsHealth) this.#tellMarks(session)
      return
    }
    if (event.type === 'revoked') {
      for (const session of this.#sessions.values()) {
        if (session.record?.id === event.nodeId || session.peer.nodeId === event.nodeId)
          this.#close(session, 'node revoked')
      }
      return
    }
    if (event.type === 'spool') {
      this.#snapshots.grow(event.spool, event)
      this.#learnHead(event.head)
      for (const session of this.#sessions.values()) if (session.update?.spool === event.spool) this.#pump(session)
      return
    }
    this.#snapshots.fail(event.spool)
    for (const session of this.#sessions.values()) {
      if (session.update?.kind !== 'snapshot' || session.update.spool !== event.spool) continue
      // Nothing sent yet: the next tick asks again. Otherwise the data plane must see the stream end.
      if (session.update.head === null) session.update = null
      else this.#close(session, 'snapshot failed')
    }
  }
}
