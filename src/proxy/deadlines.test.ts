import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../base/clock.ts'
import { Deadlines, type Expiring } from './deadlines.ts'

function aSweep() {
  let now = 1000
  let tick = () => {}
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after: () => ({ cancel: () => {} }),
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
  return { deadlines, expired, member, pass, stall }
}

test('sweep() ends each member once, never before its time, and no later than two ticks after', () => {
  const { expired, member, pass } = aSweep()
  member('a', 250)
  member('b', 1000)
  member('never', 0)
  pass(200)
  assert.deepEqual(expired, [])
  pass(200)
  assert.deepEqual(expired, ['a'])
  pass(5000)
  assert.deepEqual(expired, ['a', 'b'])
})

test('remove() keeps all others in the sweep, also from within it', () => {
  const { deadlines, expired, member, pass } = aSweep()
  const gone = member('gone', 100)
  const first = member('first', 100, () => deadlines.remove(first))
  const second = member('second', 100, () => deadlines.remove(second))
  member('third', 100)
  deadlines.remove(gone)
  deadlines.remove(gone)
  pass(300)
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
