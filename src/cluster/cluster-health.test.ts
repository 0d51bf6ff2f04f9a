/** Health on the wire: who may say what, how often, and what is kept of it. */
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { EMPTY_HEAD } from '../entities/config.ts'
import { type ControlPlane, createControlPlane } from './control-plane.ts'
import type { ControlPlaneAction, ControlPlaneEvent } from './control-plane-events.ts'
import { HEALTH_CAPABILITY, type HealthMark, MARKS_PER_MESSAGE_MAX } from './health-messages.ts'
import { HealthViews } from './health-views.ts'
import { createMarkRecords, MARKS_MAX } from './mark-records.ts'
import { decodeFromControlPlane, decodeFromDataPlane, encodeMessage, WireError } from './messages.ts'
import { createMemoryRecords } from './records.ts'
import { seededRandom } from '../base/random.ts'

const ID = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const DP = ID(1)
const UPSTREAM = ID(2)
const peer = { ip: '10.0.0.1', nodeId: null, certificateExpiresAt: null, renewable: false }

let machine: ControlPlane
let now: number
beforeEach(() => {
  machine = createControlPlane({ nodeId: ID(99), version: '3.9.1' })
  now = 1_700_000_000_000
})
const step = (event: ControlPlaneEvent): ControlPlaneAction[] => [...machine.step(event, now)]

function greet(session: number, capabilities: readonly string[] = [HEALTH_CAPABILITY]): ControlPlaneAction[] {
  step({ type: 'opened', session, peer })
  const hello = { type: 'hello', node_id: ID(session), hostname: 'dp', version: '3.9.1', labels: {} } as const
  return step({ type: 'message', session, message: { ...hello, capabilities, applied: EMPTY_HEAD } })
}
const report = (session: number) =>
  step({
    type: 'message',
    session,
    message: { type: 'health', upstreams: [[UPSTREAM, [['a.test', '10.0.0.1', 80, false]], 0]] },
  })
function aMark(n: number, healthy = false): HealthMark {
  return { id: ID(1000 + n), upstream: UPSTREAM, target: ID(n), address: null, healthy, at: n }
}
function marksTold(actions: readonly ControlPlaneAction[], session: number): (string[] | null)[] {
  return actions.flatMap(action => {
    if (action.type !== 'send' || action.session !== session || action.message.type !== 'health_marks') return []
    return [action.message.marks.map(mark => mark.id)]
  })
}

describe('control plane health', () => {
  it('step() takes reports of data planes that follow health, and closes the connection of others', () => {
    assert.deepEqual(marksTold(greet(1), 1), [[]], 'the empty message asks for reports')
    assert.deepEqual(
      report(1).map(action => action.type),
      ['health'],
    )
    assert.deepEqual(marksTold(greet(2, []), 2), [], 'an older data plane is told nothing that it does not know')
    assert.deepEqual(
      report(2).map(action => action.type),
      ['close'],
    )
  })

  it('step() lets a data plane report once a second for ever, and closes one that floods', () => {
    greet(1)
    for (let second = 0; second < 600; second++) {
      // Clocks differ: this one is 10 % fast.
      now += 909
      assert.equal(report(1)[0]!.type, 'health', `report ${second}`)
      if (second % 10 === 0) {
        const head = { version: 0, config_hash: EMPTY_HEAD.config_hash }
        for (const action of step({ type: 'tick' }))
          if (action.type === 'send') step({ type: 'flushed', session: 1, frames: 1 })
        if (second % 20 === 0) step({ type: 'message', session: 1, message: { type: 'heartbeat', ...head } })
      }
    }
    const flood = Array.from({ length: 20 }, () => report(1)).flat()
    assert.deepEqual(
      flood.filter(action => action.type === 'close').map(action => (action as { reason: string }).reason),
      ['too many health reports'],
    )
    assert.ok(
      flood.some(action => action.type === 'health-over'),
      'what it said is forgotten',
    )
  })

  it('step() tells marks to everyone once, and to those who come later', () => {
    greet(1)
    const first = Array.from({ length: MARKS_PER_MESSAGE_MAX + 1 }, (_, i) => aMark(i))
    assert.deepEqual(
      marksTold(step({ type: 'marks', marks: first }), 1).map(ids => ids!.length),
      [MARKS_PER_MESSAGE_MAX, 1],
    )
    const all = [...first.slice(1), aMark(500)]
    assert.deepEqual(marksTold(step({ type: 'marks', marks: all }), 1), [[aMark(500).id]])
    assert.deepEqual(marksTold(step({ type: 'marks', marks: all }), 1), [])
    const later = marksTold(greet(2), 2).flat()
    assert.deepEqual(
      later,
      all.map(mark => mark.id),
    )
  })

  it('decode refuses reports and marks that are not exactly what they should be', () => {
    const good = {
      type: 'health',
      upstreams: [
        [UPSTREAM, [['a.test', '::1', 80, true]], 0],
        [ID(3), null, 0],
      ],
    } as const
    assert.deepEqual(decodeFromDataPlane(encodeMessage(good)), good)
    const bad: unknown[] = [
      [['x', null, 0]],
      [[UPSTREAM, [['a.test', 'not an ip', 80, true]], 0]],
      [[UPSTREAM, [['a.test', '::1', 65_536, true]], 0]],
      [[UPSTREAM, [['a.test', '::1', 80, 'yes']], 0]],
      [[UPSTREAM, [['a.test', '::1', 80, true, 1]], 0]],
      [[UPSTREAM, [], -1]],
      [UPSTREAM],
      {},
    ]
    for (const upstreams of bad)
      assert.throws(() => decodeFromDataPlane(JSON.stringify({ type: 'health', upstreams })), WireError)
    const large = [[UPSTREAM, Array.from({ length: 1999 }, () => ['a'.repeat(60), '10.0.0.1', 80, true]), 0]]
    assert.throws(() => decodeFromDataPlane(JSON.stringify({ type: 'health', upstreams: large })), /too large/)

    const marks = { type: 'health_marks', marks: [aMark(1), { ...aMark(2), address: '10.0.0.1:80' }] } as const
    assert.deepEqual(decodeFromControlPlane(encodeMessage(marks)), marks)
    for (const wrong of [{ healthy: 1 }, { address: '' }, { target: 'a' }, { more: 1 }]) {
      const text = JSON.stringify({ type: 'health_marks', marks: [{ ...aMark(1), ...wrong }] })
      assert.throws(() => decodeFromControlPlane(text), WireError)
    }
  })

  it('a full message of marks with the longest names fits its limit', () => {
    const mark = { ...aMark(1), address: 'x'.repeat(253), at: now }
    const frame = encodeMessage({ type: 'health_marks', marks: Array(MARKS_PER_MESSAGE_MAX).fill(mark) })
    assert.doesNotThrow(() => decodeFromControlPlane(frame))
  })
})

describe('HealthViews', () => {
  it('take() replaces what was said of an upstream, drops what is not checked any more, and keeps only so much', () => {
    const views = new HealthViews()
    views.take(1, DP, [[UPSTREAM, [['a', '10.0.0.1', 80, true]], 0]])
    views.take(1, DP, [[UPSTREAM, [['a', '10.0.0.1', 80, false]], 3]])
    assert.deepEqual(views.upstream(UPSTREAM), [
      { nodeId: DP, view: { peers: [['a', '10.0.0.1', 80, false]], hidden: 3 } },
    ])
    views.take(1, DP, [[UPSTREAM, null, 0]])
    assert.deepEqual(views.upstream(UPSTREAM), [])
    const peers = Array.from({ length: 2000 }, () => ['a', '10.0.0.1', 80, true] as const)
    for (let i = 0; i < 30; i++) views.take(1, DP, [[ID(i), peers, 0]])
    const seen = views.of(DP)!
    assert.deepEqual([seen.upstreams.size, seen.isCut], [25, true])
    // What was there may still change.
    views.take(1, DP, [[ID(3), [['a', '10.0.0.1', 80, false]], 0]])
    assert.equal(views.upstream(ID(3)).length, 1)
    views.drop(1)
    assert.equal(views.of(DP), null)
  })
})

describe('mark records', () => {
  it('put() replaces the mark of the same target or address, and refuses more than are kept', async () => {
    const records = createMemoryRecords(() => now)
    const clock = { now: () => now } as never
    const marks = createMarkRecords({ records, clock, random: seededRandom(1) })
    const of = (n: number, healthy = false) => ({ upstream: UPSTREAM, target: ID(n), address: null, healthy })
    await marks.put(of(1))
    now++
    await marks.put({ ...of(1), address: '10.0.0.1:80' })
    now++
    await marks.put(of(1, true))
    assert.deepEqual(
      (await marks.list()).map(({ address, healthy }) => [address, healthy]),
      [
        ['10.0.0.1:80', false],
        [null, true],
      ],
    )
    for (let n = 2; n < MARKS_MAX; n++) await records.put('health_marks', `${ID(n)}|`, aMark(n))
    assert.equal(await marks.put(of(5000)), null)
    assert.notEqual(await marks.put(of(2)), null, 'one that is there may change')
    assert.equal(await marks.sweep(async mark => mark.target === ID(2)), MARKS_MAX - 1)
    assert.deepEqual(
      (await marks.list()).map(mark => mark.target),
      [ID(2)],
    )
  })
})
