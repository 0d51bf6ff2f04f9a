/** A control plane's machine with a simulated world around it: slow store, restarts, half-dead connections. */
import assert from 'node:assert/strict'
import type { Random } from '../../src/base/random.ts'
import { type ControlPlane, createControlPlane } from '../../src/cluster/control-plane.ts'
import type { ControlPlaneAction, ControlPlaneEvent } from '../../src/cluster/control-plane-events.ts'
import { decodeFromDataPlane, encodeMessage } from '../../src/cluster/messages.ts'
import type { DataPlaneRecord } from '../../src/entities/cluster-view.ts'
import { decodeBinary, encodeChunk, encodeDelta, encodeLine } from '../../src/cluster/wire.ts'
import type { ModelSource } from './config-model.ts'
import type { EventQueue } from './event-queue.ts'
import type { SimulatedConnection } from './simulated-network.ts'

const ROWS_PER_CHUNK = 20

export class SimulatedControlPlane {
  readonly #queue: EventQueue
  readonly #random: Random
  readonly #source: ModelSource
  readonly records = new Map<string, DataPlaneRecord>()
  #machine: ControlPlane | null = null
  #life = 0
  #sessions = new Map<number, { readonly connection: SimulatedConnection; sentVersion: number }>()
  #spools = new Map<number, Uint8Array[]>()
  #lastSession = 0
  deltasSent = 0
  deltasBuilt = 0
  spoolsStarted = 0

  constructor(queue: EventQueue, random: Random, source: ModelSource) {
    this.#queue = queue
    this.#random = random
    this.#source = source
    source.onHead(head => this.#later(0, 40, () => this.#step({ type: 'head', head, isAnswer: false })))
  }

  get isRunning(): boolean {
    return this.#machine !== null
  }

  start(): void {
    this.#life++
    this.#machine = createControlPlane({ nodeId: '99999999-9999-4999-8999-999999999999', version: '3.9.1' })
    this.#perform({ type: 'read-head' })
    const life = this.#life
    const tick = () => {
      if (life !== this.#life) return
      this.#step({ type: 'tick' })
      this.#queue.after(1_000, tick)
    }
    tick()
  }

  /** As a killed process: its connections are reset, or die unnoticed as when its machine lost power. */
  kill(isSilent: boolean): void {
    this.#machine = null
    this.#life++
    for (const { connection } of this.#sessions.values()) {
      if (isSilent) connection.isDead = true
      else connection.break()
    }
    this.#sessions.clear()
    this.#spools.clear()
  }

  /** What the far end of a new connection talks to. */
  accept(connection: SimulatedConnection): { receive(frame: string | Uint8Array): void; closed(): void } {
    const session = ++this.#lastSession
    this.#sessions.set(session, { connection, sentVersion: 0 })
    const peer = { ip: '127.0.0.1', nodeId: null, certificateExpiresAt: null, renewable: false }
    this.#step({ type: 'opened', session, peer })
    return {
      receive: frame => {
        if (!this.#sessions.has(session)) return
        const message = decodeFromDataPlane(frame as string)
        if (message.type === 'resync') this.#sessions.get(session)!.sentVersion = 0
        this.#step({ type: 'message', session, message })
      },
      closed: () => {
        if (this.#sessions.delete(session)) this.#step({ type: 'closed', session })
      },
    }
  }

  #step(event: ControlPlaneEvent): void {
    if (this.#machine === null) return
    for (const action of this.#machine.step(event, this.#queue.now())) this.#perform(action)
  }

  /** In the same life of the process, or never. */
  #later(min: number, max: number, work: () => void): void {
    const life = this.#life
    this.#queue.after(min + (max - min) * this.#random.next(), () => {
      if (life === this.#life) work()
    })
  }

  #perform(action: ControlPlaneAction): void {
    if (action.type === 'send') this.#send(action.session, encodeMessage(action.message))
    else if (action.type === 'send-delta') this.#sendDelta(action.session, action.frame)
    else if (action.type === 'send-chunk') {
      const chunk = this.#spools.get(action.spool)?.[action.chunk]
      assert.ok(chunk, 'a chunk is sent only while its spool is there')
      this.#send(action.session, chunk)
    } else if (action.type === 'close') {
      const session = this.#sessions.get(action.session)
      this.#sessions.delete(action.session)
      session?.connection.close(0, action.reason)
    } else if (action.type === 'build-delta') this.#buildDelta(action.from)
    else if (action.type === 'start-spool') this.#startSpool(action.spool)
    else if (action.type === 'free-spool') this.#spools.delete(action.spool)
    else if (action.type === 'read-head') {
      this.#later(0, 50, () => this.#step({ type: 'head', head: this.#source.headNow(), isAnswer: true }))
    } else if (action.type === 'record') this.records.set(action.record.id, action.record)
    else if (action.type === 'wake') this.#later(action.ms, action.ms, () => this.#step({ type: 'tick' }))
  }

  #send(session: number, frame: string | Uint8Array): void {
    this.#sessions.get(session)?.connection.send(0, frame, () => this.#step({ type: 'flushed', session, frames: 1 }))
  }

  #sendDelta(session: number, frame: Uint8Array): void {
    this.deltasSent++
    const state = this.#sessions.get(session)
    const decoded = decodeBinary(frame)
    if (state !== undefined && decoded.type === 'delta') {
      assert.ok(decoded.delta.version > state.sentVersion, 'nothing is pushed twice')
      state.sentVersion = decoded.delta.version
    }
    this.#send(session, frame)
  }

  #buildDelta(from: number): void {
    this.deltasBuilt++
    this.#later(0, 60, () => {
      if (this.#random.next() < 0.02) return this.#step({ type: 'delta', from, built: 'failed' })
      const delta = this.#source.deltaSince(from)
      const frame = delta === null || delta.version <= from ? null : encodeDelta(delta)
      if (delta === null || frame === null) return this.#step({ type: 'delta', from, built: null })
      const { version, config_hash } = delta
      this.#step({ type: 'delta', from, built: { head: { version, config_hash }, frame } })
    })
  }

  #startSpool(spool: number): void {
    this.spoolsStarted++
    const chunks: Uint8Array[] = []
    this.#spools.set(spool, chunks)
    this.#later(0, 100, () => {
      const head = this.#source.headNow()
      const lines = [...this.#source.rows.values()].map(encodeLine)
      const fails = this.#random.next() < 0.02
      const fill = () => {
        if (this.#spools.get(spool) !== chunks) return
        if (fails && lines.length === 0) return this.#step({ type: 'spool-failed', spool })
        if (lines.length > 0) chunks.push(encodeChunk(Buffer.from(lines.splice(0, ROWS_PER_CHUNK).join(''))))
        this.#step({ type: 'spool', spool, head, chunks: chunks.length, complete: lines.length === 0 && !fails })
        if (lines.length > 0 || fails) this.#later(0, 20, fill)
      }
      fill()
    })
  }
}
