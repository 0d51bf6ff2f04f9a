import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PeerRegistry } from '../balancer/peers.ts'
import { WorkerPeerHealth } from './peer-health.ts'
import { compileHealthRules } from './health-rules.ts'
import { peerName, type PeerReport } from './peer-state.ts'

const peer = new PeerRegistry().get('a.test', '10.0.0.1', 80)
const rules = compileHealthRules({
  healthchecks: { passive: { healthy: { successes: 1 }, unhealthy: { http_failures: 3, tcp_failures: 2 } } },
})!.passive

function fixture() {
  const sent: PeerReport[][] = []
  const health = new WorkerPeerHealth(reports => sent.push([...reports]))
  const flushed = () => new Promise<void>(resolve => setImmediate(() => setImmediate(resolve)))
  return { health, sent, flushed }
}

test('report() sends what may change a state, once per turn, equal events counted', async () => {
  const { health, sent, flushed } = fixture()
  health.report('u', peer, 'success', rules, 0)
  health.report('u', peer, 'timeout', rules, 0)
  await flushed()
  assert.deepEqual(sent, [], 'a success of a healthy peer, and what has no limit, is not worth a word')
  for (const event of ['http_failure', 'http_failure', 'success', 'tcp_failure'] as const)
    health.report('u', peer, event, rules, 0)
  await flushed()
  const of = (event: string, count: number) => ({ upstream: 'u', peer: 'a.test|10.0.0.1|80', event, marks: 0, count })
  assert.deepEqual(sent, [[of('http_failure', 2), of('success', 1), of('tcp_failure', 1)]])
})

test('apply() shows what was decided, and stops reports of what is decided already', async () => {
  const { health, sent, flushed } = fixture()
  const name = peerName(peer)
  const before = health.version
  health.apply([{ upstream: 'u', peer: name, state: 'unhealthy' }], 0)
  assert.notEqual(health.version, before)
  assert.equal(health.stateOf('u', peer), 'unhealthy')
  assert.equal(health.stateOf('other', peer), 'healthy')
  health.report('u', peer, 'http_failure', rules, 0)
  await flushed()
  assert.deepEqual(sent, [])
  health.report('u', peer, 'success', rules, 0)
  await flushed()
  assert.equal(sent.length, 1)
  health.apply([{ upstream: 'u', peer: name, state: 'healthy' }], 0)
  assert.equal(health.stateOf('u', peer), 'healthy')
})
