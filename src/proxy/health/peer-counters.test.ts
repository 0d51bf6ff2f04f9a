import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/random.ts'
import { compileHealthRules } from './health-rules.ts'
import { PeerCounters } from './peer-counters.ts'
import { type PeerEvent, takesTraffic } from './peer-state.ts'

const EVENTS = { s: 'success', h: 'http_failure', t: 'tcp_failure', o: 'timeout' } as const
const STATES = { healthy: 'H', mostly_healthy: 'h', mostly_unhealthy: 'u', unhealthy: 'U' } as const

/** Events, each with the state after it. */
function run(limits: Readonly<Record<PeerEvent, number>>, events: string): string {
  const counters = new PeerCounters()
  let states = ''
  for (const letter of events) {
    const event = EVENTS[letter as keyof typeof EVENTS]
    const before = counters.state
    assert.equal(counters.count(event, limits[event]), counters.state !== before, 'it tells whether the state changed')
    states += STATES[counters.state]
  }
  return states
}

test('count() goes through the states as the checks of Kong do', () => {
  const limits = { success: 2, http_failure: 3, tcp_failure: 2, timeout: 1 }
  const noSuccess = { ...limits, success: 0 }
  const noHttp = { ...limits, http_failure: 0 }
  const cases: readonly [string, typeof limits, string, string][] = [
    ['successes of a healthy peer are nothing', limits, 'sss', 'HHH'],
    ['failures add up to the limit', limits, 'hhh', 'hhU'],
    ['a limit of one turns at once', limits, 'o', 'U'],
    ['a success resets the failures', limits, 'hhshh', 'hhhhh'],
    ['and it takes as many as the limit to be trusted again', limits, 'hss', 'hhH'],
    ['each kind of failure has its own counter', limits, 'hthth', 'hhhU'.padEnd(5, 'U')],
    ['an unhealthy peer comes back by successes in a row', limits, 'oss', 'UuH'],
    ['a failure between them begins anew', limits, 'osos', 'UuUu'],
    ['failures of an unhealthy peer are nothing', limits, 'ohto', 'UUUU'],
    ['without a limit for successes failures just add up', noSuccess, 'hshsh', 'hhhhU'],
    ['and nothing brings it back', noSuccess, 'osss', 'UUUU'],
    ['what has no limit does not exist', noHttp, 'hhhh', 'HHHH'],
    ['nor does it interrupt successes', noHttp, 'oshs', 'UuuH'],
  ]
  for (const [what, with_, events, states] of cases) assert.equal(run(with_, events), states, what)
})

test('force() sets the state and forgets the counts', () => {
  const counters = new PeerCounters()
  counters.count('http_failure', 3)
  counters.count('http_failure', 3)
  assert.equal(counters.force('healthy'), true)
  assert.equal(counters.force('healthy'), false)
  counters.count('http_failure', 3)
  assert.equal(counters.state, 'mostly_healthy')
  assert.equal(counters.force('unhealthy'), true)
  assert.equal(counters.state, 'unhealthy')
})

test('count() takes a peer out exactly when a row of failures is full, whatever came before', () => {
  const seed = 4711
  const random = seededRandom(seed)
  for (let round = 0; round < 300; round++) {
    const limit = () => 1 + Math.floor(random.next() * 4)
    const limits = { success: limit(), http_failure: limit(), tcp_failure: limit(), timeout: limit() }
    const counters = new PeerCounters()
    // The rule in other words: up until some kind is full since the last success, down until enough successes in a row.
    let isUp = true
    let row: Record<string, number> = {}
    for (let step = 0; step < 60; step++) {
      const event = Object.values(EVENTS)[Math.floor(random.next() * 4)]!
      const state = counters.state
      counters.count(event, limits[event])
      if (state === (event === 'success' ? 'healthy' : 'unhealthy')) continue
      if (event === 'success') row = { success: (row['success'] ?? 0) + 1 }
      else row = { ...row, success: 0, [event]: (row[event] ?? 0) + 1 }
      if (row[event]! >= limits[event]) isUp = event === 'success'
      assert.equal(takesTraffic(counters.state), isUp, `seed ${seed}, round ${round}, step ${step}`)
    }
  }
})

test('compileHealthRules() is null where nothing is checked, and knows what statuses say', () => {
  const rules = (healthchecks: object) => compileHealthRules({ healthchecks })
  assert.equal(compileHealthRules({}), null)
  assert.equal(rules({ active: { healthy: { interval: 0 } }, passive: { healthy: { successes: 5 } } }), null)
  assert.equal(rules({ passive: { unhealthy: { timeouts: 1 } } })?.active, null)
  const active = rules({
    active: {
      timeout: 0.5,
      healthy: { interval: 5, http_statuses: [200], successes: 1 },
      unhealthy: { http_statuses: [500], http_failures: 2 },
    },
  })!.active!
  assert.deepEqual([active.timeoutMs, active.healthyIntervalMs, active.unhealthyIntervalMs], [500, 5000, 0])
  assert.deepEqual([200, 500, 0, 404].map(active.statusEvent), ['success', 'http_failure', 'http_failure', null])
})
