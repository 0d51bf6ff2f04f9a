/** A data plane's machine with a simulated world around it: slow and refusing sink, restarts, a copy that goes bad. */
import assert from 'node:assert/strict'
import type { Random } from '../../src/base/random.ts'
import type { ApplyOutcome } from '../../src/cluster/link.ts'
import {
  createDataPlane,
  type DataPlane,
  type DataPlaneAction,
  type DataPlaneEvent,
} from '../../src/cluster/data-plane.ts'
import { decodeFromControlPlane, encodeMessage } from '../../src/cluster/messages.ts'
import { decodeBinary, decodeLine } from '../../src/cluster/wire.ts'
import type { ConfigHead } from '../../src/entities/config.ts'
import { hashOf, ModelSink } from './config-model.ts'
import type { EventQueue } from './event-queue.ts'
import type { SimulatedConnection } from './simulated-network.ts'

export interface Dialler {
  /** Null when nobody answers. */
  dial(
    endpoint: number,
    dataPlane: { receive(frame: string | Uint8Array): void; closed(reason: string): void },
  ): SimulatedConnection | null
}

export class SimulatedDataPlane {
  readonly id: string
  readonly sink = new ModelSink()
  readonly #queue: EventQueue
  readonly #random: Random
  readonly #dialler: Dialler
  readonly #endpoints: number
  #machine: DataPlane | null = null
  #life = 0
  #connection: SimulatedConnection | null = null
  #attempt = 0
  #snapshot: { head: ConfigHead; text: string; isEnded: boolean } | null = null
  /** When it dialled, to see that it never storms. */
  readonly dialledAt: number[] = []

  constructor(options: { id: string; queue: EventQueue; random: Random; dialler: Dialler; endpoints: number }) {
    this.id = options.id
    this.#queue = options.queue
    this.#random = options.random
    this.#dialler = options.dialler
    this.#endpoints = options.endpoints
    this.sink.refuse = ({ key, row }) =>
      row!['bad'] === true ? { entity: 'routes', key, field: 'bad', message: 'must not be true' } : null
  }

  /** The sink's rows survive, as the saved configuration does. */
  start(): void {
    const life = ++this.#life
    this.#machine = createDataPlane({
      node: { node_id: this.id, hostname: 'dp.test', version: '3.9.1', labels: {}, capabilities: [] },
      endpoints: this.#endpoints,
      random: this.#random,
      head: this.sink.head(),
    })
    this.#step({ type: 'start' })
    const tick = () => {
      if (life !== this.#life) return
      this.#step({ type: 'tick', isBusy: false })
      this.#queue.after(1_000, tick)
    }
    tick()
  }

  kill(isSilent: boolean): void {
    this.#machine = null
    this.#life++
    this.#attempt++
    this.#snapshot = null
    if (isSilent && this.#connection !== null) this.#connection.isDead = true
    else this.#connection?.break()
    this.#connection = null
  }

  /** The copy loses a row without noticing. */
  damage(): void {
    const key = [...this.sink.rows.keys()][0]
    if (key !== undefined) this.sink.rows.delete(key)
  }

  #step(event: DataPlaneEvent): void {
    if (this.#machine === null) return
    for (const action of this.#machine.step(event, this.#queue.now())) this.#perform(action)
  }

  #later(min: number, max: number, work: () => void): void {
    const life = this.#life
    this.#queue.after(min + (max - min) * this.#random.next(), () => {
      if (life === this.#life) work()
    })
  }

  #perform(action: DataPlaneAction): void {
    if (action.type === 'connect') this.#connect(action.endpoint)
    else if (action.type === 'disconnect') {
      this.#attempt++
      this.#connection?.close(1, action.reason)
      this.#connection = null
    } else if (action.type === 'retry-after') this.#later(action.ms, action.ms, () => this.#step({ type: 'retry' }))
    else if (action.type === 'send') this.#connection?.send(1, encodeMessage(action.message))
    else if (action.type === 'apply-delta') {
      this.#apply(() => this.sink.applyDeltaNow(action.delta))
    } else if (action.type === 'begin-snapshot') this.#snapshot = { head: action.head, text: '', isEnded: false }
    else if (action.type === 'feed-snapshot') this.#snapshot!.text += Buffer.from(action.bytes).toString()
    else if (action.type === 'end-snapshot') this.#endSnapshot()
    else if (action.type === 'abort-snapshot') {
      this.#snapshot = null
      this.#later(0, 10, () => this.#finish({ ok: false, failure: action.reason, isStream: true }))
    }
  }

  #endSnapshot(): void {
    const { head, text } = this.#snapshot!
    this.#snapshot = null
    const changes = text.split('\n').filter(Boolean).map(decodeLine)
    assert.equal(hashOf(changes), head.config_hash, 'a snapshot that arrived whole is one version')
    this.#apply(() => this.sink.applySnapshotNow(head, changes))
  }

  #apply(work: () => ApplyOutcome): void {
    this.#later(0, this.#random.next() < 0.05 ? 8_000 : 100, () => {
      if (this.#random.next() < 0.01) return this.#finish({ ok: false, failure: 'disk full', isStream: false })
      this.#finish(work())
    })
  }

  #finish(result: Extract<DataPlaneEvent, { type: 'applied' }>['result']): void {
    this.#step({ type: 'applied', result, head: this.sink.head() })
  }

  #connect(endpoint: number): void {
    this.dialledAt.push(this.#queue.now())
    const attempt = ++this.#attempt
    const isCurrent = () => attempt === this.#attempt && this.#machine !== null
    const peer = {
      receive: (frame: string | Uint8Array) => {
        if (!isCurrent()) return
        if (typeof frame === 'string') this.#step({ type: 'message', message: decodeFromControlPlane(frame) })
        else this.#step(decodeBinary(frame))
      },
      closed: (reason: string) => {
        if (!isCurrent()) return
        this.#connection = null
        this.#step({ type: 'disconnected', reason })
      },
    }
    this.#later(1, 200, () => {
      if (!isCurrent()) return
      this.#connection = this.#dialler.dial(endpoint, peer)
      if (this.#connection === null) this.#step({ type: 'disconnected', reason: 'connection refused' })
      else this.#step({ type: 'connected' })
    })
  }
}
