/** The HTTP sender, against a server of ours on the loopback. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { createHttpSender, type HttpSend } from './http-sender.ts'

async function startServer(listener: http.RequestListener) {
  const server = http.createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const send = createHttpSender()
  after(() => {
    send.close()
    server.closeAllConnections()
    server.close()
  })
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/in`)
  const request: HttpSend = {
    url,
    method: 'PUT',
    headers: { 'x-a': '1' },
    body: 'hello',
    timeoutMs: 5000,
    keepaliveMs: 1000,
    verifyTls: true,
  }
  return { server, send, request }
}

test('send() sends method, headers and body, and keeps the connection', async () => {
  const seen: unknown[] = []
  const ports = new Set<number | undefined>()
  const { send, request } = await startServer((incoming, outgoing) => {
    ports.add(incoming.socket.remotePort)
    incoming
      .setEncoding('utf8')
      .on('data', body => seen.push([incoming.method, incoming.url, incoming.headers['x-a'], body]))
    incoming.on('end', () => outgoing.writeHead(202).end('fine'))
  })
  for (let i = 0; i < 3; i++) assert.deepEqual(await send(request), { status: 202, body: 'fine' })
  assert.deepEqual(seen[0], ['PUT', '/in', '1', 'hello'])
  assert.equal(ports.size, 1)
})

test('send() keeps only the beginning of a long answer', async () => {
  const { send, request } = await startServer((_, outgoing) => outgoing.end('x'.repeat(100_000)))
  assert.equal((await send(request)).body.length, 4096)
})

test('send() rejects when nothing comes in time, and when nobody listens', async () => {
  const { send, request, server } = await startServer(() => {})
  await assert.rejects(send({ ...request, timeoutMs: 20 }), /timeout/)
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
  await assert.rejects(send(request), /ECONNREFUSED/)
})
