import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from './clock.ts'
import { createCountedClock } from './counted-clock.ts'

function fixture() {
  let now = 0
  const due: (() => void)[] = []
  const wait = (_ms: number, callback: () => void) => {
    due.push(callback)
    return { cancel() {} }
  }
  const clock = createCountedClock({ now: () => now, monotonic: () => now, after: wait, every: wait } as Clock)
  return { clock, due, spend: (ms: number) => (now += ms) }
}

test('report() counts what waits and what ran, by the place that asked', () => {
  const { clock, due, spend } = fixture()
  function startsSweep() {
    return clock.every(1000, () => spend(5))
  }
  const sweep = startsSweep()
  clock.after(50, () => {})
  const cancelled = clock.after(60, () => {})
  cancelled.cancel()
  cancelled.cancel()
  const { sys } = clock.report()
  assert.deepEqual(sys, { running: 0, pending: 0, waiting: 2, total: 2, runs: 0 })
  due[0]!()
  due[0]!()
  due[1]!()
  const { timers, flamegraph, ...after } = clock.report()
  assert.deepEqual(after.sys, { running: 0, pending: 0, waiting: 1, total: 1, runs: 3 })
  const name = Object.keys(timers).find(key => key.includes('startsSweep'))!
  assert.match(name, /^@base\/counted-clock\.test\.ts:\d+:startsSweep\(\)$/)
  const { runs, interval, elapsed_time } = timers[name]!
  assert.deepEqual([runs, interval, elapsed_time], [2, 1000, { max: 5, min: 5, avg: 5, variance: 0 }])
  assert.match(flamegraph.elapsed_time, /^@.*;@base\/counted-clock\.test\.ts:\d+:startsSweep\(\) 10\n$/)
  sweep.cancel()
  assert.equal(clock.report().sys.waiting, 0)
})

test('report() shows what runs while it is asked, and counts what failed', () => {
  const { clock, due } = fixture()
  clock.after(1, () => {
    const { sys, flamegraph } = clock.report()
    assert.deepEqual([sys.running, sys.waiting], [1, 0])
    assert.match(flamegraph.running, / 1\n$/)
    throw new Error('a fault')
  })
  assert.throws(() => due[0]!(), /a fault/)
  const [timer] = Object.values(clock.report().timers)
  assert.deepEqual([timer!.faults, timer!.running], [1, 0])
})
