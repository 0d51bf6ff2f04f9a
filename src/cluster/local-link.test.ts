import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { aRoute, ModelSink, ModelSource } from '../../test/simulation/config-model.ts'
import { ManualClock } from '../../test/simulation/manual-clock.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom } from '../base/random.ts'
import type { ApplyOutcome } from './link.ts'
import { createLocalLink } from './local-link.ts'

function join(source: ModelSource, sink: ModelSink) {
  const outcomes: ApplyOutcome[] = []
  const clock = new ManualClock(0)
  const link = createLocalLink({
    source,
    sink,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    onOutcome: (_head, outcome) => outcomes.push(outcome),
  })
  return { link, clock, outcomes }
}

describe('local link', () => {
  it('start() resolves when the sink runs what the source held, then follows by deltas', async () => {
    const source = new ModelSource()
    const sink = new ModelSink()
    source.commit(aRoute('a'))
    const { link } = join(source, sink)
    assert.deepEqual(await link.start(), { ok: true })
    assert.deepEqual(sink.head(), source.headNow())
    const head = source.commit(aRoute('b'))
    await sink.reached(head.version)
    assert.equal(sink.snapshots, 1)
    await link.stop()
    source.commit(aRoute('c'))
    assert.deepEqual(sink.head(), head)
  })

  it('a burst becomes few updates, one at a time', async () => {
    const source = new ModelSource(1_000)
    const sink = new ModelSink()
    source.commit(aRoute('a'))
    const { link } = join(source, sink)
    await link.start()
    let running = 0
    const applyDelta = sink.applyDelta.bind(sink)
    sink.applyDelta = async delta => {
      assert.equal(++running, 1)
      await new Promise(resolve => setImmediate(resolve))
      running--
      return applyDelta(delta)
    }
    for (let i = 0; i < 500; i++) source.commit(aRoute(`r${i}`))
    await sink.reached(501)
    assert.ok(sink.applied.length <= 4, `${sink.applied.length} updates`)
    await link.stop()
  })

  it('a refused version leaves the old one, the next one is tried', async () => {
    const source = new ModelSource()
    const sink = new ModelSink()
    source.commit(aRoute('a'))
    const { link, outcomes } = join(source, sink)
    await link.start()
    const refusal = { entity: 'routes', key: 'bad', field: null, message: 'no' }
    sink.refuse = ({ row }) => (row!['bad'] === true ? refusal : null)
    source.commit(aRoute('bad', { bad: true }))
    await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual(outcomes.at(-1), { ok: false, refusal })
    assert.equal(sink.head().version, 1)
    source.commit(aRoute('bad'))
    await sink.reached(3)
    await link.stop()
  })

  it('a copy that does not add up is replaced by a snapshot', async () => {
    const source = new ModelSource()
    const sink = new ModelSink()
    source.commit(aRoute('a'), aRoute('b'))
    const { link } = join(source, sink)
    await link.start()
    sink.rows.clear()
    source.commit(aRoute('c'))
    await sink.reached(2)
    assert.equal(sink.snapshots, 2)
    assert.equal(sink.rows.size, 3)
    await link.stop()
  })

  it('a broken source is asked again later', async () => {
    const source = new ModelSource()
    const sink = new ModelSink()
    source.commit(aRoute('a'))
    const { link, clock } = join(source, sink)
    await link.start()
    const { changesSince } = source
    source.changesSince = () => Promise.reject(new Error('disk gone'))
    source.commit(aRoute('b'))
    await new Promise(resolve => setImmediate(resolve))
    assert.equal(sink.head().version, 1)
    source.changesSince = changesSince
    clock.advance(1_000)
    await sink.reached(2)
    await link.stop()
  })
})
