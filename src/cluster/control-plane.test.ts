import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { type ConfigHead, EMPTY_HEAD } from '../entities/config.ts'
import { type ControlPlane, createControlPlane } from './control-plane.ts'
import type { ControlPlaneAction, ControlPlaneEvent } from './control-plane-events.ts'
import type { Hello } from './messages.ts'
import type { Peer } from './session.ts'

const DP1 = '00000000-0000-4000-8000-000000000001'
const DP2 = '00000000-0000-4000-8000-000000000002'
const at = (version: number): ConfigHead => ({ version, config_hash: String(version).padStart(32, '0') })
const peer: Peer = { ip: '10.0.0.1', nodeId: null, certificateExpiresAt: null, renewable: false }
const frame = (text: string) => Buffer.from(text)

let machine: ControlPlane
let now: number

beforeEach(() => {
  machine = createControlPlane({ nodeId: '99999999-9999-4999-8999-999999999999', version: '3.9.1' })
  now = 1_700_000_000_000
})

function step(event: ControlPlaneEvent): ControlPlaneAction[] {
  return [...machine.step(event, now)]
}
function types(actions: readonly ControlPlaneAction[]): string[] {
  return actions.filter(action => action.type !== 'record').map(action => action.type)
}
function greet(session: number, applied: ConfigHead, more: Partial<Hello> = {}, from = peer): ControlPlaneAction[] {
  step({ type: 'opened', session, peer: from })
  const hello = {
    type: 'hello',
    node_id: DP1,
    hostname: 'dp',
    version: '3.9.1',
    labels: {},
    capabilities: [],
    applied,
  } as const
  return step({ type: 'message', session, message: { ...hello, ...more } })
}
function head(version: number): ControlPlaneAction[] {
  now += 1_000
  return step({ type: 'head', head: at(version), isAnswer: false })
}
function ack(session: number, version: number): ControlPlaneAction[] {
  return step({ type: 'message', session, message: { type: 'ack', ...at(version) } })
}
function beat(session: number, version: number): ControlPlaneAction[] {
  return step({ type: 'message', session, message: { type: 'heartbeat', ...at(version) } })
}
/** Seconds pass; what was sent leaves the queue, unless the peer does not read. */
function tickFor(ms: number, each: () => void = () => {}, isRead = true): ControlPlaneAction[] {
  const out: ControlPlaneAction[] = []
  for (let passed = 0; passed < ms; passed += 1_000) {
    now += 1_000
    each()
    const actions = step({ type: 'tick' })
    out.push(...actions)
    for (const action of actions) {
      if (isRead && action.type === 'send') step({ type: 'flushed', session: action.session, frames: 1 })
    }
  }
  return out
}

describe('control plane deltas', () => {
  it('step() builds one delta for all data planes at the same version', () => {
    head(5)
    greet(1, at(5))
    greet(2, at(5), { node_id: DP2 })
    assert.deepEqual(types(head(6)), ['build-delta'])
    const sent = step({ type: 'delta', from: 5, built: { head: at(6), frame: frame('5-6') } })
    assert.deepEqual(types(sent), ['send-delta', 'send-delta'])
    assert.equal((sent[0] as { frame: unknown }).frame, (sent[1] as { frame: unknown }).frame)
    // A third that was slower to come shares the encoding.
    assert.deepEqual(types(greet(3, at(5), { node_id: '00000000-0000-4000-8000-000000000003' })), [
      'send',
      'send-delta',
    ])
  })

  it('step() has one delta on its way to each, the next covers everything since', () => {
    head(5)
    greet(1, at(5))
    head(6)
    step({ type: 'delta', from: 5, built: { head: at(6), frame: frame('') } })
    for (let version = 7; version < 20; version++) assert.deepEqual(types(head(version)), [])
    const next = ack(1, 6)
    assert.deepEqual(
      next.filter(action => action.type === 'build-delta'),
      [{ type: 'build-delta', from: 6 }],
    )
  })

  it('step() publishes the first change of a burst at once and the rest together', () => {
    head(1)
    greet(1, at(1))
    now += 1_000
    assert.deepEqual(types(step({ type: 'head', head: at(2), isAnswer: false })), ['build-delta'])
    assert.deepEqual(types(step({ type: 'head', head: at(3), isAnswer: false })), ['wake'])
    assert.deepEqual(types(step({ type: 'head', head: at(4), isAnswer: false })), [])
  })

  it('step() sends nothing to a data plane that is up to date', () => {
    head(5)
    assert.deepEqual(types(greet(1, at(5))), ['send'])
    assert.deepEqual(types(head(5)), [])
  })

  it('step() tells a data plane that has nothing, once, that there is nothing', () => {
    step({ type: 'head', head: EMPTY_HEAD, isAnswer: false })
    assert.deepEqual(types(greet(1, EMPTY_HEAD)), ['send', 'start-spool'])
    step({ type: 'spool', spool: 1, head: EMPTY_HEAD, chunks: 0, complete: true })
    step({ type: 'message', session: 1, message: { type: 'ack', ...EMPTY_HEAD } })
    const later = types(tickFor(30_000, () => beat(1, 0)))
    assert.ok(!later.includes('start-spool') && !later.includes('close'), String(later))
  })

  it('step() asks the store again when a data plane knows a newer version, and waits for the answer', () => {
    head(5)
    assert.deepEqual(types(greet(1, at(9))), ['send', 'read-head'])
    now += 100
    assert.deepEqual(types(step({ type: 'head', head: at(9), isAnswer: true })), [])
    // Really ahead: the store was put back to an older state.
    assert.deepEqual(types(greet(2, at(12), { node_id: DP2 })), ['send', 'read-head'])
    assert.deepEqual(types(step({ type: 'head', head: at(9), isAnswer: true })), ['start-spool'])
  })

  it('step() tries again after the store failed', () => {
    head(5)
    greet(1, at(5))
    head(6)
    assert.deepEqual(types(step({ type: 'delta', from: 5, built: 'failed' })), [])
    assert.deepEqual(types(tickFor(1_000)), ['build-delta'])
  })

  it('step() does not repeat a refused version, sends the next, and records both', () => {
    head(5)
    greet(1, at(5))
    head(6)
    step({ type: 'delta', from: 5, built: { head: at(6), frame: frame('') } })
    const nack = { type: 'nack', version: 6, entity: 'routes', key: 'k', field: 'paths', message: 'no' } as const
    const refused = step({ type: 'message', session: 1, message: nack })
    assert.deepEqual(types(refused), [])
    const [record] = refused.filter(action => action.type === 'record')
    assert.deepEqual(record?.record.last_error, { entity: 'routes', key: 'k', field: 'paths', message: 'no' })
    assert.equal(record?.record.applied_version, 5)
    assert.equal(record?.changed, true)
    assert.deepEqual(types(tickFor(5_000)), [])
    assert.deepEqual(
      head(7).filter(action => action.type === 'build-delta'),
      [{ type: 'build-delta', from: 5 }],
    )
  })
})

describe('control plane snapshots', () => {
  const grow = (spool: number, version: number, chunks: number, complete: boolean) =>
    step({ type: 'spool', spool, head: at(version), chunks, complete })

  it('step() shares one export between those that need it at the same time', () => {
    head(5)
    assert.deepEqual(types(greet(1, EMPTY_HEAD)), ['send', 'start-spool'])
    assert.deepEqual(types(greet(2, EMPTY_HEAD, { node_id: DP2 })), ['send'])
    const sent = grow(1, 5, 2, true)
    assert.deepEqual(types(sent).sort(), [
      'send',
      'send',
      'send',
      'send',
      'send-chunk',
      'send-chunk',
      'send-chunk',
      'send-chunk',
    ])
  })

  it('step() keeps few frames in the queue of a slow reader and goes on as they leave', () => {
    head(5)
    greet(1, EMPTY_HEAD)
    step({ type: 'flushed', session: 1, frames: 1 })
    const first = grow(1, 5, 100, true).filter(action => action.type === 'send-chunk')
    assert.equal(first.length, 3)
    const more = step({ type: 'flushed', session: 1, frames: 2 }).filter(action => action.type === 'send-chunk')
    assert.deepEqual(
      more.map(action => action.chunk),
      [3, 4],
    )
  })

  it('step() sends a snapshot when the log does not reach back', () => {
    head(50)
    assert.deepEqual(types(greet(1, at(3))), ['send', 'build-delta'])
    assert.deepEqual(types(step({ type: 'delta', from: 3, built: null })), ['start-spool'])
  })

  it('step() sends a snapshot after a resync, but not again and again', () => {
    head(5)
    greet(1, at(5))
    const ask = () => types(step({ type: 'message', session: 1, message: { type: 'resync', reason: 'test' } }))
    assert.deepEqual(ask(), ['start-spool'])
    grow(1, 5, 1, true)
    assert.deepEqual(ask(), [])
    assert.deepEqual(types(tickFor(4_000)), [])
    assert.deepEqual(types(tickFor(2_000)), ['start-spool'])
  })

  it('step() takes a snapshot with a wrong hash for refused', () => {
    head(5)
    greet(1, EMPTY_HEAD)
    grow(1, 5, 0, true)
    const answer = { type: 'ack', version: 5, config_hash: 'f'.repeat(32) } as const
    const actions = step({ type: 'message', session: 1, message: answer })
    assert.deepEqual(types(actions), [])
    assert.equal(actions.find(action => action.type === 'record')?.record.last_error?.field, 'config_hash')
  })

  it('step() frees an export once nobody reads it and it is old', () => {
    head(5)
    greet(1, EMPTY_HEAD)
    grow(1, 5, 0, true)
    ack(1, 5)
    assert.ok(types(tickFor(12_000)).includes('free-spool'))
  })
})

describe('control plane sessions', () => {
  const reasonOf = (actions: readonly ControlPlaneAction[]) => actions.find(action => action.type === 'close')?.reason

  it('step() closes on everything a data plane may not say', () => {
    head(5)
    const cases: [string, () => ControlPlaneAction[]][] = [
      [
        'hello twice',
        () =>
          step({
            type: 'message',
            session: 1,
            message: {
              type: 'hello',
              node_id: DP1,
              hostname: 'dp',
              version: '3.9.1',
              labels: {},
              capabilities: [],
              applied: at(5),
            },
          }),
      ],
      ['acknowledged what was not sent', () => ack(1, 5)],
      [
        'refused what was not sent',
        () =>
          step({
            type: 'message',
            session: 1,
            message: { type: 'nack', version: 5, entity: '', key: '', field: null, message: '' },
          }),
      ],
      ['this certificate is not renewed here', () => step({ type: 'message', session: 1, message: { type: 'renew' } })],
    ]
    for (const [reason, say] of cases) {
      greet(1, at(5))
      assert.equal(reasonOf(say()), reason)
      assert.equal(machine.sessionCount(), 0)
    }
    step({ type: 'opened', session: 1, peer })
    assert.equal(reasonOf(ack(1, 5)), 'hello expected')
  })

  it('step() closes on a flood of heartbeats, not on regular ones', () => {
    head(5)
    greet(1, at(5))
    for (let i = 0; i < 100; i++) {
      assert.equal(reasonOf(tickFor(15_000)), undefined)
      assert.equal(reasonOf(beat(1, 5)), undefined)
    }
    let reason: string | undefined
    for (let i = 0; i < 20 && reason === undefined; i++) reason = reasonOf(beat(1, 5))
    assert.equal(reason, 'too many heartbeats')
  })

  it('step() takes a node id only from the certificate that names it', () => {
    head(5)
    const bound = { ...peer, nodeId: DP2, renewable: true }
    assert.equal(reasonOf(greet(1, at(5), {}, bound)), 'node id is not the one of the certificate')
    assert.deepEqual(types(greet(2, at(5), { node_id: DP2 }, bound)), ['send'])
  })

  it('step() notices a half-open peer within 45 s, however much we send', () => {
    head(5)
    greet(1, at(5))
    const start = now
    let closedAt = 0
    for (let version = 6; now - start < 60_000 && closedAt === 0; version++) {
      now += 1_000
      const actions = [...step({ type: 'head', head: at(version), isAnswer: false }), ...step({ type: 'tick' })]
      if (reasonOf(actions) === 'nothing heard') closedAt = now
    }
    assert.ok(closedAt - start <= 45_000, `closed after ${closedAt - start} ms`)
  })

  it('step() closes a peer that talks but does not read', () => {
    head(5)
    greet(1, EMPTY_HEAD)
    step({ type: 'spool', spool: 1, head: at(5), chunks: 100, complete: true })
    const actions = tickFor(
      60_000,
      () => {
        if (now % 15_000 < 1_000) beat(1, 0)
      },
      false,
    )
    assert.equal(reasonOf(actions), 'does not read')
  })

  it('step() closes a connection without hello after 5 s', () => {
    step({ type: 'opened', session: 1, peer })
    assert.equal(reasonOf(tickFor(6_000)), 'no hello')
  })

  it('step() closes when the short-lived certificate ends, and not when it was renewed', () => {
    head(5)
    const short = { ...peer, nodeId: DP1, renewable: true, certificateExpiresAt: now + 60_000 }
    greet(1, at(5), {}, short)
    assert.deepEqual(types(step({ type: 'message', session: 1, message: { type: 'renew' } })), ['renew'])
    step({ type: 'renewed', session: 1, certificate: 'pem', expiresAt: now + 120_000 })
    const keep = () => {
      if (now % 15_000 < 1_000) beat(1, 5)
    }
    assert.equal(reasonOf(tickFor(70_000, keep)), undefined)
    assert.equal(reasonOf(tickFor(60_000, keep)), 'certificate expired')
  })

  it('step() closes the older of two connections of one node', () => {
    head(5)
    greet(1, at(5))
    assert.equal(reasonOf(greet(2, at(5))), 'replaced by a newer connection of the same node')
    assert.equal(machine.sessionCount(), 1)
  })

  it('step() cuts all connections of a revoked node', () => {
    head(5)
    greet(1, at(5))
    greet(2, at(5), { node_id: DP2 })
    const actions = step({ type: 'revoked', nodeId: DP1 })
    assert.deepEqual(actions, [{ type: 'close', session: 1, reason: 'node revoked' }])
    assert.deepEqual(types(head(6)), ['build-delta'])
  })
})

describe('control plane and a data plane whose disk is full', () => {
  const notSaved = (version: number) =>
    step({
      type: 'message',
      session: 1,
      message: {
        type: 'nack',
        version,
        entity: '',
        key: '',
        field: 'saved_config_path',
        message: 'could not be saved',
      },
    })
  const spoolOf = (actions: readonly ControlPlaneAction[]) =>
    actions.flatMap(action => (action.type === 'start-spool' ? [action.spool] : []))[0]

  it('step() tries again ever more rarely, whatever versions come meanwhile, and at once after it worked', () => {
    head(5)
    let spool = spoolOf(greet(1, EMPTY_HEAD))!
    const tries: number[] = []
    let version = 5
    for (let i = 0; i < 8; i++) {
      step({ type: 'spool', spool, head: at(version), chunks: 0, complete: true })
      notSaved(version)
      const failedAt = now
      let next: number | undefined
      for (let seconds = 0; next === undefined && seconds < 400; seconds += 2) {
        if (seconds % 16 === 0) beat(1, 0)
        // Somebody writes all the time.
        next = spoolOf([...head(++version), ...tickFor(1_000)])
      }
      assert.ok(next !== undefined, `tries after ${tries} seconds, then none`)
      spool = next
      tries.push(Math.round((now - failedAt) / 1000))
    }
    assert.ok(tries[0]! >= 10 && tries[0]! <= 13, `${tries}`)
    assert.ok(tries[1]! >= 20 && tries[1]! <= 23, `${tries}`)
    assert.ok(
      tries.slice(-2).every(seconds => seconds >= 300 && seconds <= 303),
      `${tries}`,
    )
    step({ type: 'spool', spool, head: at(version), chunks: 0, complete: true })
    assert.deepEqual(types(ack(1, version)), [])
    assert.deepEqual(types(head(version + 1)), ['build-delta'])
  })
})
