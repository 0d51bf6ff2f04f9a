/**
 * Connections over a bad network. Within one, as TCP promises, bytes come in order or not at all; what may happen is
 * that they come late, that the connection breaks with bytes on the way, and that it goes dead without anybody noticing.
 */
import type { Random } from '../../src/base/random.ts'
import type { EventQueue } from './event-queue.ts'

export interface Peer {
  receive(frame: string | Uint8Array): void
  closed(reason: string): void
}

export class SimulatedConnection {
  readonly #queue: EventQueue
  readonly #random: Random
  readonly #peers: [Peer, Peer]
  readonly #arrivesAt: [number, number] = [0, 0]
  #isOpen = true
  /** Nothing arrives any more, and nobody is told. */
  isDead = false

  constructor(queue: EventQueue, random: Random, peers: [Peer, Peer]) {
    this.#queue = queue
    this.#random = random
    this.#peers = peers
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** `side` sends to the other; `flushed` runs when the frame has left, which on a dead connection it never does. */
  send(side: 0 | 1, frame: string | Uint8Array, flushed: () => void = () => {}): void {
    if (!this.#isOpen || this.isDead) return
    const latency = this.#random.next() < 0.02 ? 2_000 * this.#random.next() : 1 + 30 * this.#random.next()
    const at = Math.max(this.#arrivesAt[side], this.#queue.now() + latency)
    this.#arrivesAt[side] = at
    this.#queue.after(at - this.#queue.now(), () => {
      if (!this.#isOpen || this.isDead) return
      flushed()
      this.#peers[1 - side]!.receive(frame)
    })
  }

  /** One side ends it; the other hears of it, unless the connection is dead. */
  close(side: 0 | 1, reason: string): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    if (this.isDead) return
    this.#queue.after(1 + 20 * this.#random.next(), () => this.#peers[1 - side]!.closed(reason))
  }

  /** Both sides notice. */
  break(): void {
    if (!this.#isOpen || this.isDead) return
    this.#isOpen = false
    for (const peer of this.#peers) this.#queue.after(20 * this.#random.next(), () => peer.closed('connection reset'))
  }
}
