import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../base/clock.ts'
import { createLogger } from '../base/logger.ts'
import { LevelHold } from './level-hold.ts'

function fixture() {
  const due: { ms: number; callback: () => void; isCancelled: boolean }[] = []
  const clock = {
    after(ms: number, callback: () => void) {
      const timer = { ms, callback, isCancelled: false }
      due.push(timer)
      return { cancel: () => (timer.isCancelled = true) }
    },
  } as unknown as Clock
  const log = createLogger({ level: 'notice', write: () => {}, now: () => 0 })
  const told: string[] = []
  const hold = new LevelHold(log, clock)
  hold.onChange = level => told.push(level)
  const elapse = () => {
    for (const { callback, isCancelled } of due.splice(0)) if (!isCancelled) callback()
  }
  return { hold, log, told, due, elapse }
}

test('change() holds over a reload for its time, then falls back to what the reload configured', () => {
  const { hold, log, told, due, elapse } = fixture()
  hold.change('debug', 60_000)
  hold.configure('warn')
  assert.deepEqual([log.level(), due[0]!.ms], ['debug', 60_000])
  elapse()
  assert.equal(log.level(), 'warn')
  hold.configure('error')
  assert.equal(log.level(), 'error')
  assert.deepEqual(told, ['debug', 'warn', 'error'])
})

test('change() without a time holds until a reload, and the last one counts', () => {
  const { hold, log, due, elapse } = fixture()
  hold.change('debug', 60_000)
  hold.change('info', 0)
  elapse()
  assert.equal(log.level(), 'info')
  hold.configure('notice')
  assert.equal(log.level(), 'notice')
  hold.change('debug', 1e12)
  assert.ok(due[0]!.ms < 2 ** 31, 'a timer that waits longer would end at once')
})
