import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { writeText } from './direct-write.ts'
import { sendWaiting } from './turn.ts'

async function aPair(t: TestContext): Promise<{ near: Socket; far: Socket }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const near = connect((server.address() as { port: number }).port, '127.0.0.1')
  const [far] = (await accepted) as [Socket]
  if (near.connecting) await once(near, 'connect')
  t.after(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return { near, far }
}

test('writeText() keeps the order of direct, queued and stream writes when the reader is slow', async t => {
  const { near, far } = await aPair(t)
  far.pause()
  let sent = ''
  let wasRefused = false
  for (let i = 0; i < 4000; i++) {
    const text = `${i}:${'x'.repeat(i % 5000)}\n`
    sent += text
    if (i % 7 === 0) {
      sendWaiting()
      near.write(Buffer.from(text))
    } else if (!writeText(near, text)) wasRefused = true
  }
  sendWaiting()
  near.end()
  assert.ok(wasRefused, 'the stream said when to stop')
  let received = ''
  far.setEncoding('latin1')
  far.on('data', text => {
    received += text
  })
  far.resume()
  await once(far, 'end')
  assert.equal(received.length, sent.length)
  assert.ok(received === sent)
})

test('writeText() ends the socket with an error when the peer is gone', async t => {
  const { near, far } = await aPair(t)
  writeText(near, 'first')
  far.resetAndDestroy()
  const errors: Error[] = []
  near.on('error', error => errors.push(error))
  const closed = new Promise(resolve => near.on('close', resolve))
  while (!near.destroyed) {
    writeText(near, 'x'.repeat(1000))
    await new Promise(resolve => setImmediate(resolve))
  }
  await closed
  assert.equal(errors.length, 1)
})

test('writeText() writes latin1, byte by byte', async t => {
  const { near, far } = await aPair(t)
  const text = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('')
  for (let i = 0; i < 3; i++) writeText(near, text)
  sendWaiting()
  near.end()
  const pieces: Buffer[] = []
  far.on('data', (bytes: Buffer) => pieces.push(bytes))
  await once(far, 'end')
  assert.equal(Buffer.concat(pieces).toString('latin1'), text.repeat(3))
})
