import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../base/clock.ts'
import { Deadlines, type Expiring } from './deadlines.ts'

function aSweep() {
  let now = 1000
  let tick = () => {}
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>()
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after(ms, callback) {
      const timer = { at: now + ms, callback }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    every(_ms, callback) {
      tick = callback
      return { cancel: () => {} }
    },
  }
  const deadlines = new Deadlines(clock)
  const expired: string[] = []
  const member = (name: string, ms: number, onDeadline = () => {}): Expiring => {
    const one: Expiring = {
      deadline: deadlines.in(ms),
      sweepIndex: -1,
      onDeadline() {
        expired.push(name)
        onDeadline()
      },
    }
    deadlines.add(one)
    return one
  }
  const pass = (ms: number) => {
    for (let gone = 0; gone < ms; gone += 100) {
      now += 100
      tick()
    }
  }
  const stall = (ms: number) => {
    now += ms
    tick()
  }
  /** Millisecond by millisecond, each a turn of the event loop: timers, then reads, then what waits for both. */
  const passExactly = async (ms: number, reads = () => {}) => {
    for (const end = now + ms; now < end; ) {
      now++
      if (now % 100 === 0) tick()
      for (const timer of timers) {
        if (timer.at > now) continue
        timers.delete(timer)
        timer.callback()
      }
      reads()
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  return { deadlines, expired, member, pass, stall, passExactly, timers, now: () => now }
}

test('sweep() ends each member once, never before its time, and no later than two ticks after', () => {
  const { expired, member, pass } = aSweep()
  member('a', 1250)
  member('b', 2000)
  member('never', 0)
  pass(1200)
  assert.deepEqual(expired, [])
  pass(200)
  assert.deepEqual(expired, ['a'])
  pass(5000)
  assert.deepEqual(expired, ['a', 'b'])
})

test('remove() keeps all others in the sweep, also from within it', () => {
  const { deadlines, expired, member, pass } = aSweep()
  const gone = member('gone', 1100)
  const first = member('first', 1100, () => deadlines.remove(first))
  const second = member('second', 1100, () => deadlines.remove(second))
  member('third', 1100)
  deadlines.remove(gone)
  deadlines.remove(gone)
  pass(1300)
  assert.deepEqual(expired.sort(), ['first', 'second', 'third'])
})

test('sweep() does not hold a stall of the event loop against anybody', () => {
  const { expired, member, pass, stall } = aSweep()
  member('a', 1000)
  stall(5000)
  assert.deepEqual(expired, [])
  pass(1200)
  assert.deepEqual(expired, ['a'])
})

test('deadlines below a second are kept to milliseconds, and never early', async () => {
  const { deadlines, expired, member, passExactly, timers, now } = aSweep()
  const ends: Record<string, number> = {}
  const timed = (name: string, ms: number) => member(name, ms, () => void (ends[name] = now() - 1000))
  timed('long', 2000)
  for (const ms of [250, 1, 40, 43, 999]) timed(`${ms}`, ms)
  const read = member('read', 60)
  // Set anew again and again, as by bytes that come.
  await passExactly(150, () => (read.deadline = deadlines.in(60)))
  timed('later', 20)
  await passExactly(1100)
  for (const [name, asked] of Object.entries({ 1: 1, 40: 40, 43: 43, 250: 250, 999: 999, later: 170 })) {
    const late = ends[name]! - asked
    assert.ok(late >= 0 && late <= 6, `${name} ended at ${ends[name]}`)
  }
  assert.deepEqual(expired, ['1', '40', '43', 'later', 'read', '250', '999'])
  await passExactly(1000)
  assert.equal(expired.at(-1), 'long')
  // Without short ones there are ticks only.
  assert.equal(timers.size, 0)
})

test('what has arrived in time counts as in time, though its timer goes off first', async () => {
  const { expired, member, passExactly } = aSweep()
  const one = member('one', 50)
  await passExactly(50, () => (one.deadline = 0))
  await passExactly(200)
  assert.deepEqual(expired, [])
})
