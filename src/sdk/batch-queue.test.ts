/** Batch queues: batches, delays, retries, limits and draining. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '../base/logger.ts'
import { FakeClock, settle } from '../../test/kit/plugin-exchange.ts'
import { createBatchQueues, type QueueSettings } from './batch-queue.ts'

const defaults: QueueSettings = {
  max_batch_size: 1,
  max_coalescing_delay: 1,
  max_entries: 10_000,
  max_bytes: null,
  max_retry_time: 60,
  initial_retry_delay: 0.01,
  max_retry_delay: 60,
  concurrency_limit: 1,
}

function setUp(settings: Partial<QueueSettings>, isFailing = () => false) {
  const clock = new FakeClock(0)
  const logged: string[] = []
  const log = createLogger({ level: 'warn', write: line => logged.push(line), now: () => 0 })
  const queues = createBatchQueues({ clock, log })
  const batches: { at: number; entries: readonly string[] }[] = []
  const deliver = async (entries: readonly string[]) => {
    batches.push({ at: clock.now(), entries })
    if (isFailing()) throw new Error('down')
  }
  const add = (...entries: string[]) => {
    for (const entry of entries) queues.enqueue('q', { ...defaults, ...settings }, deliver, entry)
  }
  return { clock, logged, queues, batches, add, entries: () => batches.map(batch => batch.entries.join('')) }
}

test('enqueue() delivers each entry alone when the batch size is 1', async () => {
  const { add, entries } = setUp({})
  add('a', 'b')
  await settle()
  assert.deepEqual(entries(), ['a', 'b'])
})

test('enqueue() delivers when a batch is full, or its first entry has waited long enough', async () => {
  const { add, batches, clock } = setUp({ max_batch_size: 2, max_coalescing_delay: 3 })
  add('a', 'b', 'c')
  await clock.advance(1000)
  assert.deepEqual(batches, [{ at: 0, entries: ['a', 'b'] }])
  await clock.advance(2000)
  assert.deepEqual(batches[1], { at: 3000, entries: ['c'] })
  add('d')
  await clock.advance(1000)
  add('e')
  await settle()
  assert.deepEqual(batches[2], { at: 4000, entries: ['d', 'e'] })
})

test('enqueue() tries again with doubled delays up to the longest, in order', async () => {
  let isDown = true
  const { add, batches, clock } = setUp({ initial_retry_delay: 1, max_retry_delay: 3 }, () => isDown)
  add('a', 'b')
  await clock.advance(8000)
  assert.deepEqual(
    batches.map(({ at }) => at),
    [0, 1000, 3000, 6000],
  )
  isDown = false
  await clock.advance(1000)
  assert.deepEqual(batches.slice(4), [
    { at: 9000, entries: ['a'] },
    { at: 9000, entries: ['b'] },
  ])
})

test('enqueue() gives a batch up when max_retry_time has passed, and goes on with the next', async () => {
  let isDown = true
  const { add, logged, clock, batches } = setUp({ initial_retry_delay: 1, max_retry_time: 2 }, () => isDown)
  add('a', 'b')
  await clock.advance(2999)
  isDown = false
  assert.doesNotMatch(logged.join(), /were lost/)
  isDown = true
  await clock.advance(1)
  assert.match(logged.join(), /max_retry_time exceeded. 1 queue entries were lost/)
  assert.equal(batches.at(-1)!.entries[0], 'b')
})

test('enqueue() warns at 80 % and drops the oldest entries when the queue is full', async () => {
  const { add, entries, logged } = setUp({ max_entries: 5 })
  add('a', 'b', 'c', 'd')
  assert.equal(logged.length, 0)
  add('e')
  assert.match(logged.join(), /queue at 80% capacity/)
  add('f', 'g')
  assert.match(logged.join(), /queue full, dropping old entries/)
  await settle()
  assert.deepEqual(entries(), ['c', 'd', 'e', 'f', 'g'])
})

test('enqueue() respects max_bytes', async () => {
  const { add, entries, logged } = setUp({ max_bytes: 6 })
  add('aaa', 'bbb', 'toolong', 'cc')
  assert.match(logged.join(), /longer \(7 bytes\) than the queue's max_bytes \(6 bytes\)/)
  assert.match(logged.join(), /byte capacity exceeded, 1 queue entries were dropped/)
  await settle()
  assert.deepEqual(entries(), ['bbb', 'cc'])
})

test('enqueue() delivers at once and concurrently when concurrency_limit is -1', async () => {
  const { add, batches, logged } = setUp({ concurrency_limit: -1, max_entries: 2, max_batch_size: 10 }, () => true)
  add('a', 'b', 'c')
  assert.deepEqual(
    batches.map(batch => batch.entries),
    [['a'], ['b']],
  )
  assert.match(logged.join(), /too many entries under way, one was dropped/)
})

test('drain() delivers without waiting for fuller batches, and resolves when all is done', async () => {
  const { add, queues, batches, entries } = setUp({ max_batch_size: 10, max_coalescing_delay: 3600 })
  add('a', 'b')
  await settle()
  assert.equal(batches.length, 0)
  await queues.drain()
  assert.deepEqual(entries(), ['ab'])
})
