import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import type { Sql } from './engine.ts'
import { WriteQueue } from './write-queue.ts'

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
    clock: systemClock,
  })
  return { queue, statements }
}

test('WriteQueue commits works of one moment together, each in a savepoint', async () => {
  const { queue, statements } = recordingQueue()
  const values = await Promise.all([1, 2].map(value => queue.run(async () => value)))
  assert.deepEqual(values, [1, 2])
  const member = ['SAVEPOINT member', 'RELEASE member']
  assert.deepEqual(statements, [...member, ...member, 'COMMIT'])
})

test('WriteQueue tells nobody of success before the commit', async () => {
  const { queue, statements } = recordingQueue()
  const seen: string[] = []
  await Promise.all([1, 2].map(() => queue.run(async () => {}).then(() => seen.push(statements.at(-1)!))))
  assert.deepEqual(seen, ['COMMIT', 'COMMIT'])
})

test('WriteQueue undoes the work that fails and commits the others', async () => {
  const { queue, statements } = recordingQueue()
  const outcomes = await Promise.allSettled([
    queue.run(async () => 'good'),
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
  const outcomes = await Promise.allSettled([1, 2].map(value => queue.run(async () => value)))
  for (const outcome of outcomes) assert.match(String((outcome as PromiseRejectedResult).reason), /COMMIT failed/)
  assert.equal(statements.at(-1), 'ROLLBACK')
  await assert.rejects(
    queue.run(async () => 3),
    /COMMIT failed/,
  )
})

test('WriteQueue rejects all that wait when the lock cannot be had, and tries again for the next', async () => {
  let locked = true
  const { queue } = recordingQueue({
    begin: async () => {
      if (locked) throw new Error('locked')
    },
  })
  const outcomes = await Promise.allSettled([1, 2].map(value => queue.run(async () => value)))
  for (const outcome of outcomes) assert.match(String((outcome as PromiseRejectedResult).reason), /locked/)
  locked = false
  assert.equal(await queue.run(async () => 3), 3)
})

test('close() waits for accepted work and refuses more', async () => {
  const { queue, statements } = recordingQueue()
  const accepted = queue.run(async () => 'done')
  await queue.close()
  assert.equal(statements.at(-1), 'COMMIT')
  assert.equal(await accepted, 'done')
  await assert.rejects(
    queue.run(async () => {}),
    /closed/,
  )
})
