/** Counters of several workers: the sum over all workers never passes a limit, whatever the order of messages. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/random.ts'
import { FakeClock, settle } from '../../test/kit/plugin-exchange.ts'
import {
  createCounterAuthority,
  isLeasedInBulk,
  leaseSize,
  type LeaseAnswer,
  type LeaseAsk,
} from './counter-authority.ts'
import type { CounterUsage } from './counters.ts'
import { createLeasedCounters } from './leased-counters.ts'

const start = 1_700_000_000_000
const window = (key: string, limit: number, endsAt = start + 60_000) => ({ key, limit, endsAt })

/** Workers whose questions are answered at once, or when the test says so. */
function setUp(workerCount: number, { delayed = false } = {}) {
  const clock = new FakeClock(start)
  const authority = createCounterAuthority({ clock, workerCount: () => workerCount })
  const onTheWay: (() => void)[] = []
  let asks = 0
  /** The most that was ever used or leased of a window. */
  const used = new Map<string, number>()
  const answerTo = (message: LeaseAsk): LeaseAnswer => {
    const answer = authority.answer(message)
    for (const [g, { windows }] of message.groups.entries()) {
      for (const [w, { key }] of windows.entries())
        used.set(key, Math.max(used.get(key) ?? 0, answer.groups[g]![w]!.used))
    }
    return structuredClone(answer)
  }
  const ask = (message: LeaseAsk): Promise<LeaseAnswer> => {
    asks++
    const plain = structuredClone(message)
    if (!delayed) return Promise.resolve(answerTo(plain))
    return new Promise(resolve => onTheWay.push(() => resolve(answerTo(plain))))
  }
  const workers = Array.from({ length: workerCount }, () => createLeasedCounters({ clock, ask }))
  return { clock, authority, workers, onTheWay, used, asks: () => asks }
}

test('take() is exact when sequential requests hit different workers and the limit is small', async () => {
  const { workers } = setUp(3)
  const seen: CounterUsage[] = []
  for (let i = 0; i < 8; i++) seen.push(await workers[i % 3]!.take([window('a', 5), window('b', 100)]))
  const usages = [0, 1, 2, 3, 4, 5, 5, 5]
  assert.deepEqual(
    seen,
    usages.map((usage, i) => ({ taken: i < 5, usages: [usage, usage] })),
  )
})

test('take() refuses at once and without asking when the window is known to be full', async () => {
  const { workers, asks } = setUp(2)
  const [worker] = workers
  assert.equal((await worker!.take([window('a', 1)])).taken, true)
  assert.equal((await worker!.take([window('a', 1)])).taken, false)
  const before = asks()
  assert.deepEqual(worker!.take([window('a', 1)]), { taken: false, usages: [1] })
  assert.equal(asks(), before)
  // A raised limit is another question.
  assert.equal((await worker!.take([window('a', 2)])).taken, true)
})

test('take() opens again when the window has ended', async () => {
  const { workers, clock } = setUp(2)
  await workers[0]!.take([window('a', 1)])
  assert.equal((await workers[1]!.take([window('a', 1)])).taken, false)
  await clock.advance(60_000)
  assert.equal((await workers[1]!.take([window('a', 1, start + 120_000)])).taken, true)
})

test('take() asks ever less often when the limit is large, and still lets exactly the limit through', async () => {
  const { workers, asks } = setUp(2)
  let passed = 0
  for (let i = 0; i < 60_000; i++) if ((await workers[0]!.take([window('a', 50_000)])).taken) passed++
  assert.equal(passed, 50_000)
  assert.ok(asks() < 400, `${asks()} questions`)
})

test('take() is synchronous when a lease is in hand', async () => {
  const { workers } = setUp(2)
  for (let i = 0; i < 1000; i++) await workers[0]!.take([window('a', 50_000)])
  let synchronous = 0
  for (let i = 0; i < 1000; i++) {
    const usage = workers[0]!.take([window('a', 50_000)])
    if (!(usage instanceof Promise)) synchronous++
    await usage
  }
  assert.ok(synchronous > 980, `${synchronous} of 1000`)
})

test('take() puts requests that come up meanwhile into one question', async () => {
  const { workers, onTheWay, asks } = setUp(2, { delayed: true })
  const waiting = Array.from({ length: 50 }, () => workers[0]!.take([window('a', 40)]))
  assert.equal(asks(), 1)
  while (onTheWay.length > 0) {
    onTheWay.shift()!()
    await settle()
  }
  const taken = (await Promise.all(waiting)).filter(usage => usage.taken).length
  assert.equal(taken, 40)
  assert.ok(asks() <= 4, `${asks()} questions`)
})

test('take() fails the requests that wait when the main process cannot be asked, and recovers', async () => {
  const clock = new FakeClock(start)
  const authority = createCounterAuthority({ clock, workerCount: () => 2 })
  let isDown = true
  const ask = async (message: LeaseAsk) => {
    if (isDown) throw new Error('gone')
    return authority.answer(message)
  }
  const worker = createLeasedCounters({ clock, ask })
  await assert.rejects(async () => worker.take([window('a', 1)]), /gone/)
  isDown = false
  assert.equal((await worker.take([window('a', 1)])).taken, true)
})

test('idle leases go back, so that other workers can use them', async () => {
  const { workers, clock } = setUp(2)
  const limit = 1000
  for (let i = 0; i < 500; i++) await workers[0]!.take([window('a', limit)])
  await clock.advance(3000)
  let passed = 0
  for (let i = 0; i < limit; i++) if ((await workers[1]!.take([window('a', limit)])).taken) passed++
  assert.equal(passed, 500)
})

test('leaseSize() is 1 at both ends and a small share in between', () => {
  assert.deepEqual(
    [0, 1, 8, 16, 500, 992, 999].map(used => leaseSize(used, 1000, 2)),
    [1, 1, 1, 2, 62, 1, 1],
  )
  assert.equal(isLeasedInBulk(10, 2), false)
  assert.equal(isLeasedInBulk(1000, 2), true)
})

test('the authority forgets ended windows and is bounded', async () => {
  const clock = new FakeClock(start)
  const authority = createCounterAuthority({ clock, workerCount: () => 2, keyCountMax: 10 })
  const ask = (key: string, endsAt: number) =>
    authority.answer({ groups: [{ windows: [{ key, limit: 1, endsAt, wanted: true }] }], returns: [] })
  for (let i = 0; i < 50; i++) ask(`k${i}`, start + 1000)
  assert.equal(authority.size, 10)
  await clock.advance(11_000)
  assert.deepEqual(ask('k49', start + 1000).groups, [[{ granted: 0, used: 1 }]])
  ask('new', start + 12_000)
  assert.equal(authority.size, 1)
})

/**
 * Random workers, clients, limits, delays and idle times. Invariants: in each window no more pass than its limit, and
 * a request is only refused when what has passed and what lies in leases leaves no room.
 */
for (const seed of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) {
  test(`random interleavings never pass a limit, and refuse only what leases explain (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    const pick = (count: number) => Math.floor(random.next() * count)
    const workerCount = 1 + pick(6)
    const { workers, onTheWay, clock, used } = setUp(workerCount, { delayed: true })
    const limits = [1, 2, 3, 10, 50, 400, 2000]
    const keys = Array.from({ length: 1 + pick(4) }, (_, i) => ({ key: `k${i}`, limit: limits[pick(limits.length)]! }))
    const passed = new Map<string, number>()
    const waiting: Promise<void>[] = []
    const failures: Error[] = []
    for (let step = 0; step < 6000; step++) {
      const { key, limit } = keys[pick(keys.length)]!
      const minute = Math.floor(clock.now() / 60_000)
      const windows = [window(`${key}:${minute}`, limit, (minute + 1) * 60_000)]
      if (pick(3) === 0) windows.push(window(`${key}:hour`, limit * 3, start + 3_600_000))
      const usage = workers[pick(workerCount)]!.take(windows)
      const record = ({ taken, usages }: CounterUsage) => {
        for (const [i, one] of windows.entries()) {
          const before = passed.get(one.key) ?? 0
          if (taken) passed.set(one.key, before + 1)
          assert.ok((passed.get(one.key) ?? 0) <= one.limit, `seed ${seed}: ${one.key} passed its limit`)
          assert.ok(usages[i]! >= 0 && usages[i]! <= one.limit, `seed ${seed}: usage ${usages[i]} of ${one.limit}`)
        }
        for (const one of windows)
          assert.ok((used.get(one.key) ?? 0) <= one.limit, `seed ${seed}: leased beyond the limit`)
        // A request that waited far beyond the end of its window is refused, lest the window be counted anew.
        const isExplained = windows.some(one => used.get(one.key) === one.limit || clock.now() >= one.endsAt + 10_000)
        assert.ok(taken || isExplained, `seed ${seed}: refused although neither used nor leased`)
      }
      if (usage instanceof Promise) waiting.push(usage.then(record).catch(error => void failures.push(error)))
      else record(usage)
      while (onTheWay.length > 0 && pick(3) > 0) onTheWay.splice(pick(onTheWay.length), 1)[0]!()
      if (pick(20) === 0) await settle()
      if (pick(400) === 0) await clock.advance(pick(40_000))
    }
    // What was delivered last may lead to further questions.
    await settle()
    while (onTheWay.length > 0) {
      onTheWay.shift()!()
      await settle()
    }
    await Promise.all(waiting)
    if (failures.length > 0) throw failures[0]
    for (const worker of workers) worker.close()
  })
}
