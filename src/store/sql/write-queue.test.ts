import assert from 'node:assert/strict'
import { test } from 'node:test'
import { manualClock } from '../../../test/kit/config-rows.ts'
import type { Answered, Sql } from './engine.ts'
import { RolledBack, WriteQueue } from './write-queue.ts'

/** Work whose answer comes at once. */
const gives =
  <T>(value: T): (() => Promise<Answered<T>>) =>
  async () =>
  async () =>
    value

/** A queue over a database that only keeps the statements it is told. */
function recordingQueue({ fails, begin = async () => {} }: { fails?: string; begin?: () => Promise<void> } = {}) {
  const statements: string[] = []
  const queue = new WriteQueue({
    db: null as unknown as Sql,
    begin,
    run(sql) {
      statements.push(sql)
      if (sql === fails) throw new Error(`${sql} failed`)
    },
    clock: manualClock(),
  })
  return { queue, statements }
}

test('WriteQueue commits works of one moment together, each in a savepoint', async () => {
  const { queue, statements } = recordingQueue()
  const values = await Promise.all([1, 2].map(value => queue.run(gives(value))))
  assert.deepEqual(values, [1, 2])
  const member = ['SAVEPOINT member', 'RELEASE member']
  assert.deepEqual(statements, [...member, ...member, 'COMMIT'])
})

test('WriteQueue tells nobody of success before the commit', async () => {
  const { queue, statements } = recordingQueue()
  const seen: string[] = []
  await Promise.all([1, 2].map(() => queue.run(gives(undefined)).then(() => seen.push(statements.at(-1)!))))
  assert.deepEqual(seen, ['COMMIT', 'COMMIT'])
})

test('WriteQueue undoes the work that fails and commits the others', async () => {
  const { queue, statements } = recordingQueue()
  const outcomes = await Promise.allSettled([
    queue.run(gives('good')),
    queue.run(async () => Promise.reject(new Error('bad'))),
  ])
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
  assert.deepEqual(statements.slice(-4), ['SAVEPOINT member', 'ROLLBACK TO member', 'RELEASE member', 'COMMIT'])
})

test('WriteQueue rejects every work of a group whose commit fails, and goes on', async () => {
  const { queue, statements } = recordingQueue({ fails: 'COMMIT' })
  const outcomes = await Promise.allSettled([1, 2].map(value => queue.run(gives(value))))
  for (const outcome of outcomes) assert.match(String((outcome as PromiseRejectedResult).reason), /COMMIT failed/)
  assert.equal(statements.at(-1), 'ROLLBACK')
  await assert.rejects(queue.run(gives(3)), /COMMIT failed/)
})

test('WriteQueue rejects all that wait when the lock cannot be had, and tries again for the next', async () => {
  let locked = true
  const { queue } = recordingQueue({
    begin: async () => {
      if (locked) throw new Error('locked')
    },
  })
  const outcomes = await Promise.allSettled([1, 2].map(value => queue.run(gives(value))))
  for (const outcome of outcomes) assert.match(String((outcome as PromiseRejectedResult).reason), /locked/)
  locked = false
  assert.equal(await queue.run(gives(3)), 3)
})

test('close() waits for accepted work and refuses more', async () => {
  const { queue, statements } = recordingQueue()
  const accepted = queue.run(gives('done'))
  await queue.close()
  assert.equal(statements.at(-1), 'COMMIT')
  assert.equal(await accepted, 'done')
  await assert.rejects(queue.run(gives(undefined)), /closed/)
})

/** A queue that sends groups whole, over a database that refuses what `refuses` says until its transaction ends. */
function pipeliningQueue() {
  const statements: string[] = []
  let isVoid = false
  const queue = new WriteQueue({
    db: null as unknown as Sql,
    pipelines: true,
    begin: async () => void statements.push('BEGIN'),
    async run(sql) {
      statements.push(sql)
      const wasVoid = isVoid
      if (/^(COMMIT|ROLLBACK)/.test(sql)) isVoid = false
      if (sql === 'COMMIT' && wasVoid) throw new RolledBack('rolled back')
    },
    clock: manualClock(),
  })
  const write =
    (name: string, isGood = true) =>
    async () => {
      statements.push(name)
      if (!isGood) isVoid = true
      const error = isVoid ? new Error(isGood ? 'void' : `${name} is refused`) : null
      return async () => {
        if (error !== null) throw error
        return name
      }
    }
  return { queue, statements, write }
}

test('WriteQueue sends a group whole, its commit behind it, where statements are pipelined', async () => {
  const { queue, statements, write } = pipeliningQueue()
  assert.deepEqual(await Promise.all([queue.run(write('a')), queue.run(write('b'))]), ['a', 'b'])
  assert.deepEqual(statements, ['BEGIN', 'a', 'b', 'COMMIT'])
})

test('WriteQueue runs the members of a refused group again one by one, so that each fails alone', async () => {
  const { queue, statements, write } = pipeliningQueue()
  const outcomes = await Promise.allSettled([
    queue.run(write('a')),
    queue.run(write('b', false)),
    queue.run(write('c')),
    queue.run(() => Promise.reject(new Error('d is not sent'))),
  ])
  assert.deepEqual(
    outcomes.map(outcome => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason.message)),
    ['a', 'b is refused', 'c', 'd is not sent'],
  )
  const member = (name: string) => ['SAVEPOINT member', name, 'RELEASE member']
  const undone = (name: string[]) => ['SAVEPOINT member', ...name, 'ROLLBACK TO member', 'RELEASE member']
  const again = [...member('a'), ...undone(['b']), ...member('c'), ...undone([])]
  assert.deepEqual(statements, ['BEGIN', 'a', 'b', 'c', 'ROLLBACK', 'BEGIN', ...again, 'COMMIT'])
  statements.length = 0
  assert.equal(await queue.run(write('e')), 'e')
  assert.deepEqual(statements, ['BEGIN', 'e', 'COMMIT'])
})

test('WriteQueue refuses a lone write at once, without another attempt', async () => {
  const { queue, statements, write } = pipeliningQueue()
  await assert.rejects(queue.run(write('a', false)), /a is refused/)
  assert.deepEqual(statements, ['BEGIN', 'a', 'COMMIT'])
})
