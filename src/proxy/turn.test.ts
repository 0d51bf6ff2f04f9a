import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { systemClock } from '../base/clock.ts'
import { isTaken, writeText } from './direct-write.ts'
import { sendWaiting, turnClock } from './turn.ts'

async function pairs(t: TestContext, count: number): Promise<{ near: Socket; far: Socket; texts: string[] }[]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const made: { near: Socket; far: Socket; texts: string[] }[] = []
  for (let i = 0; i < count; i++) {
    const accepted = once(server, 'connection')
    const near = connect((server.address() as { port: number }).port, '127.0.0.1')
    const [far] = (await accepted) as [Socket]
    if (near.connecting) await once(near, 'connect')
    const texts: string[] = []
    far.setEncoding('latin1').on('data', (text: string) => texts.push(text))
    made.push({ near, far, texts })
  }
  t.after(() => {
    for (const { near, far } of made) {
      near.destroy()
      far.destroy()
    }
    server.close()
  })
  return made
}

/** Turns with so many writes that later ones are gathered. */
async function crowd(sockets: readonly { near: Socket }[]): Promise<void> {
  for (let turn = 0; turn < 40; turn++) {
    for (const { near } of sockets) writeText(near, '.')
    await nextTurn()
  }
}

test('texts of a crowded turn leave at its end, and once it is quiet, at once', async t => {
  const made = await pairs(t, 12)
  await crowd(made)
  const { near } = made[0]!
  const before = near.bytesWritten
  for (const { near } of made) writeText(near, 'late')
  assert.equal(near.bytesWritten, before, 'nothing yet')
  await nextTurn()
  assert.equal(near.bytesWritten, before + 4)
  for (let turn = 0; turn < 40; turn++) {
    writeText(near, '-')
    await nextTurn()
  }
  const quiet = near.bytesWritten
  writeText(near, 'at once')
  assert.equal(near.bytesWritten, quiet + 7)
})

test('texts of one turn keep their order, before an end and around large and stream writes too', async t => {
  const made = await pairs(t, 12)
  await crowd(made)
  const expected = made.map(() => '')
  for (let round = 0; round < 30; round++) {
    for (const [index, { near }] of made.entries()) {
      const text = round % 11 === 10 ? 'y'.repeat(20_000) : `${round},`
      expected[index] += text
      if (round % 7 === 6) {
        sendWaiting()
        near.write(text, 'latin1')
      } else writeText(near, text)
    }
    if (round % 5 === 0) await nextTurn()
  }
  for (const { near } of made) writeText(near, 'end')
  sendWaiting()
  for (const { near } of made) near.end()
  await Promise.all(made.map(({ far }) => once(far, 'end')))
  for (const [index, { texts }] of made.entries())
    assert.equal(texts.join('').replace(/^\.*/, ''), `${expected[index]}end`)
})

test('a text for a socket that is gone is dropped, and others are not', async t => {
  const made = await pairs(t, 12)
  await crowd(made)
  for (const { near } of made) writeText(near, 'last')
  made[3]!.near.destroy()
  sendWaiting()
  for (const { near } of made) if (!near.destroyed) near.end()
  const alive = made.filter((_, index) => index !== 3)
  await Promise.all(alive.map(({ far }) => (far.readableEnded ? null : once(far, 'end'))))
})

test('a text that the kernel does not take makes its socket not free until it is taken', async t => {
  const { near, far } = (await pairs(t, 1))[0]!
  far.pause()
  writeText(near, 'first')
  while (isTaken(near)) writeText(near, 'x'.repeat(15_000))
  far.resume()
  while (!isTaken(near)) await nextTurn()
})

test('the time of a crowded turn is read once', async t => {
  const made = await pairs(t, 12)
  let reads = 0
  const clock = turnClock({ ...systemClock, now: () => ++reads })
  assert.equal(clock.now(), 1)
  assert.equal(clock.now(), 2, 'nothing waits: each time anew')
  await crowd(made)
  writeText(made[0]!.near, 'waits')
  const first = clock.now()
  assert.equal(clock.now(), first)
  await nextTurn()
  assert.notEqual(clock.now(), first)
})
