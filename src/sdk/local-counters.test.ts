/** Counters of a single worker: exact, forgotten with their window, bounded in number. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/kit/plugin-exchange.ts'
import { createLocalCounters } from './local-counters.ts'

const start = 1_700_000_000_000
const window = (key: string, limit: number, endsAt = start + 1000) => ({ key, limit, endsAt })

test('take() counts up to the limit and tells the usage before', () => {
  const counters = createLocalCounters({ clock: new FakeClock(start) })
  const takes = [0, 1, 2].map(() => counters.take([window('a', 2)]))
  assert.deepEqual(takes, [
    { taken: true, usages: [0] },
    { taken: true, usages: [1] },
    { taken: false, usages: [2] },
  ])
})

test('take() takes from every window or from none', () => {
  const counters = createLocalCounters({ clock: new FakeClock(start) })
  const both = [window('a', 1), window('b', 5)]
  counters.take(both)
  assert.deepEqual(counters.take(both), { taken: false, usages: [1, 1] })
  assert.deepEqual(counters.take([window('b', 5)]), { taken: true, usages: [1] })
})

test('take() counts the same key apart when its windows end at different times', () => {
  const counters = createLocalCounters({ clock: new FakeClock(start) })
  counters.take([window('a', 1)])
  assert.deepEqual(counters.take([window('a', 1, start + 2000)]), { taken: true, usages: [0] })
})

test('take() forgets windows that have ended', async () => {
  const clock = new FakeClock(start)
  const counters = createLocalCounters({ clock })
  for (let i = 0; i < 100; i++) counters.take([window(`k${i}`, 1)])
  assert.equal(counters.size, 100)
  await clock.advance(1000)
  counters.take([window('a', 1, start + 2000)])
  assert.equal(counters.size, 1)
})

test('take() evicts the oldest keys of the window that ends first when there are too many', () => {
  const counters = createLocalCounters({ clock: new FakeClock(start), keyCountMax: 10 })
  counters.take([window('long', 1, start + 9000)])
  for (let i = 0; i < 20; i++) counters.take([window(`k${i}`, 1)])
  assert.equal(counters.size, 10)
  assert.equal((counters.take([window('long', 1, start + 9000)]) as { taken: boolean }).taken, false)
  assert.equal((counters.take([window('k19', 1)]) as { taken: boolean }).taken, false)
  assert.equal((counters.take([window('k0', 1)]) as { taken: boolean }).taken, true)
})
