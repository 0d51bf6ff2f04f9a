import assert from 'node:assert/strict'
import { test } from 'node:test'
import { manualClock } from '../../../test/kit/config-rows.ts'
import { RolledBack } from '../sql/write-queue.ts'
import type { Answer } from './connection.ts'
import { WriteTransaction } from './write-transaction.ts'

const BEGIN = 'begin isolation level read committed'
const LOCK = 'select version from config_state where id = 1 for update'
const timeoutMs = 5000

/** A connection that is answered by the test. */
function aConnection() {
  const sent: string[] = []
  const answers = new Map<string, { resolve(answer: Partial<Answer>): void; reject(error: unknown): void }>()
  const destroyed: string[] = []
  const timers: { readonly ms: number; readonly callback: () => void }[] = []
  const clock = {
    ...manualClock(),
    after(ms: number, callback: () => void) {
      const timer = { ms, callback }
      timers.push(timer)
      return { cancel: () => void timers.splice(timers.indexOf(timer), 1) }
    },
  }
  const connection = {
    query(text: string) {
      sent.push(text)
      const { promise, resolve, reject } = Promise.withResolvers<Answer>()
      answers.set(text, { resolve: answer => resolve(answer as Answer), reject })
      return promise
    },
    destroy: (reason: Error) => void destroyed.push(reason.message),
  }
  return { sent, answers, destroyed, timers, transaction: new WriteTransaction(connection, timeoutMs, clock) }
}

test('WriteTransaction sends lock, statements and commit before anything is answered', async () => {
  const { sent, answers, transaction } = aConnection()
  const row = transaction.query('insert', [])
  const end = transaction.run('COMMIT')
  assert.deepEqual(sent, [BEGIN, LOCK, 'insert', 'COMMIT'])
  for (const [text, { resolve }] of answers) resolve({ command: text })
  assert.equal((await row).command, 'insert')
  await end
})

test('WriteTransaction asks for no lock when there is nothing to write', async () => {
  const { sent, transaction } = aConnection()
  await transaction.run('COMMIT')
  assert.deepEqual(sent, [])
})

test('WriteTransaction refuses a statement that would come after the end', async () => {
  const { sent, transaction } = aConnection()
  transaction.query('insert', []).catch(() => undefined)
  void transaction.run('ROLLBACK')
  await assert.rejects(transaction.query('late', []), /invariant broken: a statement is sent before the end/)
  assert.equal(sent.at(-1), 'ROLLBACK')
})

test('WriteTransaction tells a commit that was answered by a rollback', async () => {
  const { answers, transaction } = aConnection()
  const row = transaction.query('insert', [])
  const end = transaction.run('COMMIT')
  answers.get('insert')!.reject(new Error('duplicate'))
  answers.get('COMMIT')!.resolve({ command: 'ROLLBACK' })
  await assert.rejects(row, /duplicate/)
  await assert.rejects(end, RolledBack)
})

test('WriteTransaction says that another node has the lock, whatever was sent behind the question for it', async () => {
  const { answers, transaction } = aConnection()
  const row = transaction.query('insert', [])
  const end = transaction.run('COMMIT')
  answers.get(LOCK)!.reject(Object.assign(new Error('lock timeout'), { code: '55P03' }))
  answers.get('insert')!.reject(new Error('current transaction is aborted'))
  answers.get('COMMIT')!.resolve({ command: 'ROLLBACK' })
  await assert.rejects(row, /locked by another node/)
  await assert.rejects(end, /locked by another node/)
})

test('WriteTransaction gives up a server that says nothing more once the lock is had', async () => {
  const { answers, destroyed, timers, transaction } = aConnection()
  const row = transaction.query('insert', [])
  const turn = () => new Promise(resolve => setImmediate(resolve))
  assert.equal(timers.length, 0, 'another node may have the lock for long')
  answers.get(LOCK)!.resolve({})
  await turn()
  assert.deepEqual(
    timers.map(({ ms }) => ms),
    [timeoutMs],
  )
  timers[0]!.callback()
  assert.deepEqual(destroyed, ['Query read timeout'])
  answers.get('insert')!.resolve({})
  await row
  await turn()
  assert.equal(timers.length, 0, 'all that was asked is answered')
})
