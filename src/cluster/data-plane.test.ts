import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { seededRandom } from '../base/random.ts'
import { type ConfigHead, EMPTY_HEAD } from '../entities/config.ts'
import { createDataPlane, type DataPlane, type DataPlaneAction, type DataPlaneEvent } from './data-plane.ts'

const at = (version: number): ConfigHead => ({ version, config_hash: String(version).padStart(32, '0') })
const welcome = { type: 'welcome', node_id: '99999999-9999-4999-8999-999999999999', version: '3.9.1' } as const
const node = {
  node_id: '00000000-0000-4000-8000-000000000001',
  hostname: 'dp',
  version: '3.9.1',
  labels: {},
  capabilities: [],
}

let machine: DataPlane
let now: number

function make(head: ConfigHead = EMPTY_HEAD, endpoints = 1, seed = 1): void {
  machine = createDataPlane({ node, endpoints, random: seededRandom(seed), head })
  now = 1_700_000_000_000
}
beforeEach(() => make())

function step(event: DataPlaneEvent): DataPlaneAction[] {
  return machine.step(event, now).filter(action => action.type !== 'log')
}
function connect(): void {
  step({ type: 'start' })
  step({ type: 'connected' })
  step({ type: 'message', message: welcome })
}
const delta = (from: number, version: number) =>
  ({ type: 'delta', delta: { from, ...at(version), changes: [] } }) as const
const refusal = { entity: 'routes', key: 'k', field: 'paths', message: 'no' }

describe('data plane', () => {
  it('step() says hello with what it runs, then acknowledges what it applied', () => {
    make(at(4))
    assert.deepEqual(step({ type: 'start' }), [{ type: 'connect', endpoint: 0 }])
    assert.deepEqual(step({ type: 'connected' }), [
      { type: 'send', message: { type: 'hello', ...node, applied: at(4) } },
    ])
    step({ type: 'message', message: welcome })
    assert.equal(machine.isConnected(), true)
    assert.deepEqual(
      step(delta(4, 6)).map(action => action.type),
      ['apply-delta'],
    )
    const done = step({ type: 'applied', result: { ok: true }, head: at(6) })
    assert.deepEqual(done, [{ type: 'send', message: { type: 'ack', ...at(6) } }])
  })

  it('step() asks for a snapshot when a delta does not start where it is, without applying it', () => {
    make(at(4))
    connect()
    const [action] = step(delta(5, 6))
    assert.equal(action?.type === 'send' && action.message.type, 'resync')
  })

  it('step() asks for a snapshot when the rows do not add up, and refuses a snapshot that does not', () => {
    make(at(4))
    connect()
    step(delta(4, 5))
    const result = { ok: false, refusal: { ...refusal, field: 'config_hash' }, resync: true } as const
    const [asked] = step({ type: 'applied', result, head: at(4) })
    assert.equal(asked?.type === 'send' && asked.message.type, 'resync')
    step({ type: 'message', message: { type: 'snapshot', ...at(5), encoding: 'zstd' } })
    step({ type: 'message', message: { type: 'snapshot_end', chunks: 0 } })
    const [refused] = step({ type: 'applied', result, head: at(4) })
    assert.equal(refused?.type === 'send' && refused.message.type, 'nack')
  })

  it('step() refuses with entity, field and reason, cut to what a message may hold', () => {
    make(at(4))
    connect()
    step(delta(4, 5))
    const result = { ok: false, refusal: { ...refusal, message: 'x'.repeat(9_000) } } as const
    const [action] = step({ type: 'applied', result, head: at(4) })
    assert.ok(action?.type === 'send' && action.message.type === 'nack')
    assert.deepEqual({ ...action.message, message: '' }, { type: 'nack', version: 5, ...refusal, message: '' })
    assert.equal(action.message.message.length, 2_000)
    // The next version is tried.
    assert.deepEqual(
      step(delta(4, 6)).map(({ type }) => type),
      ['apply-delta'],
    )
  })

  it('step() reports once what it refuses again and again, and anew after it worked', () => {
    connect()
    const full = { entity: '', key: '', field: 'saved_config_path', message: 'could not be saved: disk is full' }
    const refuse = (version: number) => {
      step({ type: 'message', message: { type: 'snapshot', ...at(version), encoding: 'zstd' } })
      const actions = machine.step({ type: 'applied', result: { ok: false, refusal: full }, head: EMPTY_HEAD }, now)
      assert.ok(!actions.some(action => action.type === 'disconnect'), 'it stays connected')
      return actions.flatMap(action => (action.type === 'log' ? [action.level] : []))
    }
    assert.deepEqual([refuse(1), refuse(1), refuse(2)], [['error'], ['info'], ['info']])
    step({ type: 'message', message: { type: 'snapshot', ...at(3), encoding: 'zstd' } })
    step({ type: 'message', message: { type: 'snapshot_end', chunks: 0 } })
    step({ type: 'applied', result: { ok: true }, head: at(3) })
    assert.deepEqual(refuse(4), ['error'])
  })

  it('step() says why and reconnects when the sink itself is broken', () => {
    make(at(4))
    connect()
    step(delta(4, 5))
    const actions = step({ type: 'applied', result: { ok: false, failure: 'disk full', isStream: false }, head: at(4) })
    assert.deepEqual(
      actions.map(action => action.type),
      ['send', 'disconnect', 'retry-after'],
    )
  })

  it('step() never applies a snapshot whose end it did not see', () => {
    connect()
    step({ type: 'message', message: { type: 'snapshot', ...at(5), encoding: 'zstd' } })
    step({ type: 'chunk', bytes: Buffer.from('x') })
    assert.deepEqual(
      step({ type: 'disconnected', reason: 'reset' }).map(action => action.type),
      ['abort-snapshot', 'retry-after'],
    )
  })

  it('step() drops the connection when a snapshot ends with chunks missing', () => {
    connect()
    step({ type: 'message', message: { type: 'snapshot', ...at(5), encoding: 'zstd' } })
    step({ type: 'chunk', bytes: Buffer.from('x') })
    const actions = step({ type: 'message', message: { type: 'snapshot_end', chunks: 2 } })
    assert.deepEqual(
      actions.map(action => action.type),
      ['disconnect', 'abort-snapshot', 'retry-after'],
    )
  })

  it('step() skips the rest of a snapshot that it refused before its end', () => {
    connect()
    step({ type: 'message', message: { type: 'snapshot', ...at(5), encoding: 'zstd' } })
    step({ type: 'chunk', bytes: Buffer.from('x') })
    step({ type: 'applied', result: { ok: false, refusal }, head: EMPTY_HEAD })
    assert.deepEqual(step({ type: 'chunk', bytes: Buffer.from('y') }), [])
    step({ type: 'message', message: { type: 'snapshot', ...at(6), encoding: 'zstd' } })
    assert.deepEqual(
      step({ type: 'chunk', bytes: Buffer.from('z') }).map(action => action.type),
      ['feed-snapshot'],
    )
  })

  it('step() does not dial while an update is being applied, and dials at once after it', () => {
    make(at(4))
    connect()
    step(delta(4, 5))
    step({ type: 'disconnected', reason: 'reset' })
    assert.deepEqual(step({ type: 'retry' }), [])
    const actions = step({ type: 'applied', result: { ok: true }, head: at(5) })
    assert.deepEqual(actions, [{ type: 'connect', endpoint: 0 }])
    const [hello] = step({ type: 'connected' })
    assert.deepEqual(hello?.type === 'send' && hello.message.type === 'hello' && hello.message.applied, at(5))
  })

  it('step() retries for ever: the first time within 1 s, then at most 10 s apart, through the whole list', () => {
    for (let seed = 1; seed < 50; seed++) {
      make(EMPTY_HEAD, 2, seed)
      const endpoints: number[] = []
      let actions = step({ type: 'start' })
      for (let i = 0; i < 30; i++) {
        const dial = actions.find(action => action.type === 'connect')
        endpoints.push(dial!.endpoint)
        const wait = step({ type: 'disconnected', reason: 'refused' }).find(action => action.type === 'retry-after')
        assert.ok(wait!.ms > 0 && wait!.ms <= (i < 2 ? 1_000 : 10_000), `retry ${i} after ${wait!.ms} ms, seed ${seed}`)
        now += wait!.ms
        actions = step({ type: 'retry' })
      }
      assert.deepEqual(endpoints.slice(0, 4), [0, 1, 0, 1])
    }
  })

  it('step() starts with short delays again after a connection that lasted', () => {
    connect()
    for (let i = 0; i < 10; i++) {
      step({ type: 'disconnected', reason: 'reset' })
      step({ type: 'retry' })
    }
    step({ type: 'connected' })
    step({ type: 'message', message: welcome })
    now += 11_000
    const [wait] = step({ type: 'disconnected', reason: 'reset' })
    assert.ok(wait?.type === 'retry-after' && wait.ms <= 1_000)
  })

  it('step() notices a silent control plane within 45 s, but not while it does not read itself', () => {
    connect()
    const tick = (isBusy: boolean) => {
      now += 1_000
      return step({ type: 'tick', isBusy }).some(action => action.type === 'disconnect')
    }
    for (let i = 0; i < 300; i++) assert.equal(tick(true), false)
    let seconds = 0
    while (!tick(false)) seconds++
    assert.ok(seconds <= 44, `after ${seconds} s`)
  })

  it('step() renews its certificate when the time has come, once a minute until it is there', () => {
    connect()
    step({ type: 'identity', renewAt: now + 500 })
    now += 1_000
    const renews = () =>
      step({ type: 'tick', isBusy: true }).filter(action => action.type === 'send' && action.message.type === 'renew')
        .length
    assert.deepEqual([renews(), renews()], [1, 0])
    now += 60_000
    assert.equal(renews(), 1)
    const stored = step({ type: 'message', message: { type: 'certificate', certificate: 'pem' } })
    assert.deepEqual(stored, [{ type: 'store-certificate', certificate: 'pem' }])
  })

  it('step() takes no configuration before the welcome', () => {
    step({ type: 'start' })
    step({ type: 'connected' })
    assert.equal(step(delta(0, 1))[0]?.type, 'disconnect')
  })
})
