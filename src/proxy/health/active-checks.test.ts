import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../test/simulation/manual-clock.ts'
import { seededRandom } from '../../base/random.ts'
import { ActiveChecks } from './active-checks.ts'
import { compileHealthRules } from './health-rules.ts'
import type { PeerEvent, PeerIdentity } from './peer-state.ts'

const settled = () => new Promise<void>(resolve => setImmediate(resolve))
const peersNamed = (...ips: string[]): PeerIdentity[] => ips.map(ip => ({ hostname: ip, ip, port: 80 }))

function fixture({ up = peersNamed('a'), down = peersNamed(), healthy = 2, unhealthy = 0, concurrency = 10 } = {}) {
  const clock = new ManualClock(0)
  const probed: string[] = []
  const events: string[] = []
  const answers = new Map<string, (event: PeerEvent | null) => void>()
  const rules = compileHealthRules({
    healthchecks: { active: { concurrency, healthy: { interval: healthy }, unhealthy: { interval: unhealthy } } },
  })!.active!
  const checks = new ActiveChecks({
    rules,
    clock,
    random: seededRandom(1),
    peers: async areUp => (areUp ? up : down),
    probe: ({ ip }) => {
      probed.push(ip)
      if (ip === 'faulty') return Promise.reject(new Error('no certificate'))
      return new Promise(resolve => answers.set(ip, resolve))
    },
    onEvent: ({ ip }, event) => events.push(`${ip} ${event}`),
    onFault: ({ ip }, error) => {
      events.push(`${ip} ${error.message}`)
      return null
    },
  })
  const pass = async (ms: number) => {
    clock.advance(ms)
    await settled()
  }
  const answer = async (ip: string, event: PeerEvent | null) => {
    answers.get(ip)!(event)
    await settled()
  }
  return { checks, probed, events, pass, answer }
}

test('ActiveChecks probes at its interval, and not again while a probe is under way', async () => {
  const { probed, events, pass, answer } = fixture()
  await pass(2000)
  assert.deepEqual(probed, ['a'], 'the first within one interval')
  await pass(6000)
  assert.deepEqual(probed, ['a'])
  await answer('a', 'success')
  assert.deepEqual(events, ['a success'])
  await pass(2000)
  assert.deepEqual(probed, ['a', 'a'])
  await answer('a', null)
  assert.deepEqual(events, ['a success'], 'a status that says nothing is no event')
})

test('ActiveChecks leaves a whole interval after a quick answer, and less after a slow one', async () => {
  const { probed, pass, answer } = fixture()
  while (probed.length === 0) await pass(1)
  await pass(60)
  await answer('a', 'success')
  await pass(1999)
  assert.equal(probed.length, 1)
  await pass(1)
  assert.equal(probed.length, 2)
  await pass(600)
  await answer('a', 'success')
  await pass(1499)
  assert.equal(probed.length, 2)
  await pass(1)
  assert.equal(probed.length, 3)
})

test('ActiveChecks has an interval of its own for those out of traffic; zero is never', async () => {
  const { probed, pass, answer } = fixture({ down: peersNamed('z'), healthy: 0, unhealthy: 1 })
  await pass(1000)
  await answer('z', 'tcp_failure')
  await pass(1000)
  assert.deepEqual(probed, ['z', 'z'])
})

test('ActiveChecks keeps to its concurrency', async () => {
  const { probed, pass, answer } = fixture({ up: peersNamed('a', 'b', 'c'), concurrency: 2 })
  await pass(2000)
  assert.equal(probed.length, 2)
  await answer(probed[0]!, 'success')
  assert.equal(probed.length, 3)
})

test('stop() ends it, and what is under way counts no more', async () => {
  const { checks, probed, events, pass, answer } = fixture({ up: peersNamed('a', 'b'), concurrency: 1 })
  await pass(2000)
  checks.stop()
  await answer(probed[0]!, 'tcp_failure')
  await pass(10_000)
  assert.equal(probed.length, 1)
  assert.deepEqual(events, [])
})

test('ActiveChecks survives a probe that cannot be made', async () => {
  const { probed, events, pass } = fixture({ up: peersNamed('faulty') })
  await pass(2000)
  await pass(2000)
  assert.deepEqual(probed, ['faulty', 'faulty'])
  assert.deepEqual(events, ['faulty no certificate', 'faulty no certificate'])
})
