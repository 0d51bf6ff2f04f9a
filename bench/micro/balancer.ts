/**
 * What a choice of target costs, by algorithm and number of targets, and what upstreams hold in memory.
 *
 *     node --expose-gc bench/micro/balancer.ts
 */
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { Row } from '../../src/entities/config.ts'
import type { Pick, PickFailure } from '../../src/proxy/balancer/balancer.ts'
import { PeerRegistry } from '../../src/proxy/balancer/peers.ts'
import { UpstreamBalancer } from '../../src/proxy/balancer/service-balancers.ts'
import { UpstreamTargets } from '../../src/proxy/balancer/upstream-targets.ts'
import { WorkerPeerHealth } from '../../src/proxy/health/peer-health.ts'
import { hashInput } from '../../test/kit/upstream-fixture.ts'

const PICKS = 1_000_000
const health = new WorkerPeerHealth(() => {})
const toolsWith = (peers: PeerRegistry) => ({
  resolver: { resolve: () => ({ ok: false, failure: 'dns_error' }) as const },
  peers,
  clock: systemClock,
  random: seededRandom(1),
  log: silentLogger,
  health,
})
const passive = {
  healthy: { http_statuses: [200], successes: 1 },
  unhealthy: { http_statuses: [500], http_failures: 3, tcp_failures: 3, timeouts: 3 },
}

function aBalancer(peers: PeerRegistry, upstream: Row, targetCount: number, network = 0): UpstreamBalancer {
  const targets = new UpstreamTargets(toolsWith(peers))
  const row = (i: number): Row => ({ target: `10.${network >> 8}.${network & 255}.${i + 1}:80`, weight: 100 })
  targets.update(
    { id: `u${network}`, slots: 10_000, healthchecks: { passive }, ...upstream },
    Array.from({ length: targetCount }, (_, i) => row(i)),
  )
  return new UpstreamBalancer(targets, { hostHeader: null, isTls: false })
}

const state = { failed: [] }
const inputs = Array.from({ length: 1024 }, (_, i) => hashInput({ clientIp: `192.168.${i >> 8}.${i & 255}` }))
const outcome = { kind: 'answered', status: 200, latencyMs: 3 } as const

function picked(answer: Pick | PickFailure | Promise<unknown>): Pick {
  if (answer instanceof Promise || 'failure' in answer) throw new Error('no pick')
  return answer as Pick
}

const algorithms: Readonly<Record<string, Row>> = {
  'round-robin': { algorithm: 'round-robin' },
  'consistent-hashing on ip': { algorithm: 'consistent-hashing', hash_on: 'ip', hash_fallback: 'none' },
  'least-connections': { algorithm: 'least-connections' },
  latency: { algorithm: 'latency' },
}

console.log('pick and release, with passive checks, ns of CPU (median of 5):')
for (const [name, upstream] of Object.entries(algorithms)) {
  const figures = [2, 10, 100].map(count => {
    const balancer = aBalancer(new PeerRegistry(), upstream, count)
    const samples: number[] = []
    for (let round = 0; round < 6; round++) {
      const begun = cpuMs()
      for (let i = 0; i < PICKS; i++) balancer.release(picked(balancer.pick(state, inputs[i & 1023]!)), outcome)
      // The first round warms up.
      if (round > 0) samples.push(((cpuMs() - begun) / PICKS) * 1e6)
    }
    const median = samples.sort((a, b) => a - b)[2]!
    return `${count} targets ${median.toFixed(0).padStart(4)}`
  })
  console.log(`  ${name.padEnd(25)} ${figures.join('   ')}`)
}

/** Of this process, so that neighbours on the machine do not show. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function heldBytes(): number {
  global.gc?.()
  return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
}

if (global.gc === undefined) console.log('memory: run with --expose-gc')
else {
  console.log('1,000 upstreams with 10 targets each:')
  // Or the figure of one algorithm would be short of what the one before gives back.
  const kept: unknown[] = []
  for (const [name, upstream] of Object.entries(algorithms)) {
    const before = heldBytes()
    const peers = new PeerRegistry()
    const begun = cpuMs()
    const balancers = Array.from({ length: 1000 }, (_, i) => aBalancer(peers, upstream, 10, i))
    const configured = heldBytes() - before
    const loadMs = cpuMs() - begun
    const first = cpuMs()
    for (const balancer of balancers) picked(balancer.pick(state, inputs[0]!))
    const firstMs = cpuMs() - first
    const used = heldBytes() - before
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
    console.log(
      `  ${name.padEnd(25)} configured ${mib(configured)} in ${loadMs.toFixed(0)} ms, ` +
        `after the first request of each ${mib(used)} (${firstMs.toFixed(0)} us each)`,
    )
    kept.push(balancers)
  }
}
