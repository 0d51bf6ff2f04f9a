/**
 * Two control planes on one store, several data planes, a bad network, thousands of random edits, on simulated time.
 *
 * `SIMULATION_SEED=n` runs one seed, `SIMULATION_SEEDS=n` so many.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { EMPTY_HEAD } from '../../src/entities/config.ts'
import { aRoute, hashOf, ModelSource } from './config-model.ts'
import { EventQueue } from './event-queue.ts'
import { SimulatedControlPlane } from './simulated-control-plane.ts'
import { SimulatedDataPlane } from './simulated-data-plane.ts'
import { SimulatedConnection } from './simulated-network.ts'

const CHAOS_MS = 3 * 60_000
const CALM_MS = 60_000
const DATA_PLANES = 4
const KEYS = 60
/** First attempts within a second each, then ever rarer: this is far below a storm and above all that is legal. */
const DIALS_PER_10_S_MAX = 16

class World {
  readonly random: Random
  readonly queue = new EventQueue()
  readonly source = new ModelSource(20)
  readonly controlPlanes: readonly SimulatedControlPlane[]
  readonly dataPlanes: readonly SimulatedDataPlane[]
  /** Every version that ever was. */
  readonly history = new Map([[0, EMPTY_HEAD.config_hash]])
  readonly newest = new Map<string, number>()
  connections: SimulatedConnection[] = []
  isPartitioned = false
  edits = 0

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.controlPlanes = [0, 1].map(() => new SimulatedControlPlane(this.queue, this.random, this.source))
    this.dataPlanes = Array.from(
      { length: DATA_PLANES },
      (_, i) =>
        new SimulatedDataPlane({
          id: `00000000-0000-4000-8000-00000000000${i}`,
          queue: this.queue,
          random: this.random,
          dialler: { dial: (endpoint, peer) => this.#dial(endpoint, peer) },
          endpoints: 2,
        }),
    )
    this.source.onHead(head => this.history.set(head.version, head.config_hash))
    for (const node of [...this.controlPlanes, ...this.dataPlanes]) node.start()
  }

  #dial(endpoint: number, dataPlane: { receive(frame: string | Uint8Array): void; closed(reason: string): void }) {
    const controlPlane = this.controlPlanes[endpoint]!
    if (!controlPlane.isRunning || this.isPartitioned) return null
    let far = { receive: (_frame: string | Uint8Array) => {}, closed: () => {} }
    const connection = new SimulatedConnection(this.queue, this.random, [
      { receive: frame => far.receive(frame), closed: () => far.closed() },
      dataPlane,
    ])
    far = controlPlane.accept(connection)
    this.connections = this.connections.filter(other => other.isOpen && !other.isDead)
    this.connections.push(connection)
    return connection
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random.next() * items.length)]!
  }

  edit(): void {
    this.edits++
    const key = `r${Math.floor(this.random.next() * KEYS)}`
    const dice = this.random.next()
    if (dice < 0.2) this.source.commit({ entity: 'routes', key, row: null })
    else this.source.commit(aRoute(key, { value: this.random.next(), bad: dice > 0.98 }))
  }

  /** One misfortune. */
  mischief(): void {
    const dice = this.random.next()
    const isSilent = this.random.next() < 0.3
    const soon = (work: () => void) => this.queue.after(15_000 * this.random.next(), work)
    if (dice < 0.35) {
      if (this.connections.length > 0) this.#pick(this.connections).break()
    } else if (dice < 0.5) {
      if (this.connections.length > 0) this.#pick(this.connections).isDead = true
    } else if (dice < 0.65) {
      const controlPlane = this.#pick(this.controlPlanes)
      if (!controlPlane.isRunning) return
      controlPlane.kill(isSilent)
      soon(() => controlPlane.start())
    } else if (dice < 0.85) {
      const dataPlane = this.#pick(this.dataPlanes)
      dataPlane.kill(isSilent)
      dataPlane.start()
    } else if (dice < 0.9) this.#pick(this.dataPlanes).damage()
    else {
      this.isPartitioned = true
      for (const connection of this.connections) connection.isDead = true
      soon(() => {
        this.isPartitioned = false
      })
    }
  }

  checkNow(): void {
    for (const { id, sink } of this.dataPlanes) {
      for (const { version, config_hash } of sink.applied.splice(0)) {
        assert.equal(config_hash, this.history.get(version), `version ${version} was applied as it was committed`)
        // A snapshot may repeat the version of a damaged copy; nothing may go back.
        assert.ok(version >= (this.newest.get(id) ?? 0), `data plane ${id} went back to version ${version}`)
        this.newest.set(id, version)
      }
    }
  }

  run(): void {
    const schedule = (mean: number, work: () => void) => {
      const end = this.queue.now() + CHAOS_MS
      const next = () => {
        if (this.queue.now() >= end) return
        work()
        this.queue.after(-Math.log(1 - this.random.next()) * mean, next)
      }
      next()
    }
    // Bursts of edits, quiet in between.
    schedule(4_000, () => {
      const burst = 1 + Math.floor(40 * this.random.next() ** 3)
      for (let i = 0; i < burst; i++) this.queue.after(300 * this.random.next(), () => this.edit())
    })
    schedule(6_000, () => this.mischief())
    for (let ms = 0; ms < CHAOS_MS; ms += 1_000) {
      this.queue.runFor(1_000)
      this.checkNow()
    }
    this.queue.runFor(20_000)
    this.dataPlanes[0]!.damage()
    // A copy is damaged, and a bad row may still be there: one more change shows the one and heals the other.
    for (const { key, row } of [...this.source.rows.values()]) if (row!['bad'] === true) this.source.commit(aRoute(key))
    this.source.commit(aRoute('last'))
    this.queue.runFor(CALM_MS)
    this.checkNow()
  }

  checkEnd(): void {
    const head = this.source.headNow()
    assert.equal(head.config_hash, hashOf(this.source.rows.values()))
    for (const { id, sink, dialledAt } of this.dataPlanes) {
      assert.deepEqual(sink.head(), head, `data plane ${id} runs the newest version`)
      assert.equal(hashOf(sink.rows.values()), head.config_hash, `data plane ${id} has the rows of it`)
      for (let i = DIALS_PER_10_S_MAX; i < dialledAt.length; i++) {
        const span = dialledAt[i]! - dialledAt[i - DIALS_PER_10_S_MAX]!
        assert.ok(span >= 10_000, `data plane ${id} dialled ${DIALS_PER_10_S_MAX} times in ${span} ms`)
      }
      const seen = this.controlPlanes.some(({ records }) => records.get(id)?.config_hash === head.config_hash)
      assert.ok(seen, `some control plane knows that ${id} is up to date`)
    }
  }
}

const one = process.env['SIMULATION_SEED']
const count = Number(process.env['SIMULATION_SEEDS'] ?? 50)
const first = one === undefined ? Math.floor(Math.random() * 1e9) : Number(one)
const seeds = Array.from({ length: one === undefined ? count : 1 }, (_, i) => first + i)

describe('cluster simulation', () => {
  it(`every data plane ends with the configuration of the store (seeds ${first} to ${seeds.at(-1)})`, t => {
    let edits = 0
    for (const seed of seeds) {
      try {
        const world = new World(seed)
        world.run()
        world.checkEnd()
        edits += world.edits
      } catch (error) {
        throw new Error(`SIMULATION_SEED=${seed} fails: ${(error as Error).message}`, { cause: error })
      }
    }
    t.diagnostic(`${seeds.length} seeds, ${edits} edits`)
  })
})
