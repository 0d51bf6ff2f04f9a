/**
 * Request smuggling: what we send on must be the same requests to everybody who reads it.
 *
 * Each case of the corpus, and variants of it, goes to our gateway with one more request behind it. The bytes that our
 * gateway's upstream got are then given to nginx and to HAProxy, which must pass on exactly the requests that we meant.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ChunkedDecoder } from '../../../src/proxy/http/chunked-decoder.ts'
import { CHUNKED, RequestHead } from '../../../src/proxy/http/request-head.ts'
import { aHaproxy, anNginxProxy, lacks } from '../../kit/http-peers.ts'
import { aGateway } from '../../kit/proxy-gateway.ts'

interface Case {
  readonly name: string
  readonly text: string
}

/** A request as it was understood: `POST /x hello`. */
type Understood = string

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
/** Refused whole by one peer, which no other peer reads differently: safe, and Kong sends it on as well. */
const STRICTER = new Set(['HAProxy: Upgrade to WebSocket without a key'])
const LAST = 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

const corpus: readonly Case[] = readFileSync(join(import.meta.dirname, 'corpus.txt'), 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
  .map(line => line.split('\t'))
  .map(([name, json]) => ({ name: name!, text: JSON.parse(json!) as string }))

/** As given; with a Host header, without which we refuse for that alone; and as a method that has a body. */
function variantsOf({ name, text }: Case): readonly Case[] {
  const variants: Case[] = [{ name, text }]
  const lineEnd = text.indexOf('\r\n') + 2
  const head = text.slice(0, text.indexOf('\r\n\r\n'))
  if (lineEnd > 1 && !/\nhost:/i.test(head)) {
    variants.push({ name: `${name} (with Host)`, text: `${text.slice(0, lineEnd)}Host: a\r\n${text.slice(lineEnd)}` })
  }
  if (/^GET .*\r\n.*(length|encoding)/is.test(head)) {
    variants.push(...variants.map(one => ({ name: `${one.name} (POST)`, text: one.text.replace(/^GET/, 'POST') })))
  }
  return variants
}

/** Reads requests as we do; what is not one, or not all of one, ends the reading. */
function understand(bytes: Buffer, max = Number.POSITIVE_INFINITY): { requests: Understood[]; end: number } {
  const requests: Understood[] = []
  let at = 0
  while (requests.length < max) {
    const head = new RequestHead(2000)
    const headEnd = head.parse(bytes, at, bytes.length)
    if (headEnd <= 0) break
    const body = readBody(bytes, headEnd, head.bodyLength)
    if (body === null) break
    requests.push(`${head.method} ${head.target} ${body.text}`)
    at = body.end
  }
  return { requests, end: at }
}

function readBody(bytes: Buffer, from: number, length: number): { text: string; end: number } | null {
  if (length !== CHUNKED) {
    const end = from + length
    return end > bytes.length ? null : { text: bytes.toString('latin1', from, end), end }
  }
  const decoder = new ChunkedDecoder()
  const rest = Buffer.from(bytes.subarray(from))
  const end = decoder.decode(rest, 0, rest.length)
  return end < 0 || !decoder.done ? null : { text: rest.toString('latin1', 0, end), end: from + decoder.consumed }
}

/** An upstream that keeps the bytes of each connection, and answers what it understands. */
class Recorder {
  readonly connections: Buffer[] = []
  readonly sockets = new Set<Socket>()
  port = 0
  run = 0

  /** All requests so far; forgets them. */
  take(): { bytes: Buffer[]; requests: Understood[] } {
    this.run++
    const bytes = this.connections.splice(0).filter(one => one.length > 0)
    return { bytes, requests: bytes.flatMap(one => understand(one).requests) }
  }
}

async function aRecorder(t: TestContext): Promise<Recorder> {
  const recorder = new Recorder()
  const server = createServer(socket => {
    let index = -1
    let answered = 0
    let run = recorder.run
    recorder.sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => recorder.sockets.delete(socket))
    socket.on('data', data => {
      // A kept connection goes on in the next case as one of that case.
      if (index === -1 || run !== recorder.run) {
        run = recorder.run
        index = recorder.connections.push(Buffer.alloc(0)) - 1
        answered = 0
      }
      const all = Buffer.concat([recorder.connections[index]!, data as Buffer])
      recorder.connections[index] = all
      for (const { length } = understand(all).requests; answered < length; answered++) socket.write(ANSWER)
    })
  })
  t.after(() => {
    server.close()
    for (const socket of recorder.sockets) socket.destroy()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  recorder.port = (server.address() as { port: number }).port
  return recorder
}

/** How long a peer may take for what it should answer at once; only a difference takes that long. */
const PATIENCE_MS = 4000

/** Sends bytes, and its end if `halfCloses`; resolves when the other side has closed. */
function converse(port: number, bytes: Buffer, halfCloses: boolean): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  socket.on('end', () => socket.end())
  socket.resume()
  if (halfCloses) socket.end(bytes)
  else {
    socket.write(bytes)
    socket.setTimeout(PATIENCE_MS, () => socket.destroy())
  }
  return new Promise(resolve => socket.once('close', () => resolve()))
}

interface Peer {
  readonly name: string
  readonly port: number
  readonly recorder: Recorder
}

async function thePeers(t: TestContext): Promise<readonly Peer[]> {
  const [first, second] = [await aRecorder(t), await aRecorder(t)]
  return [
    { name: 'nginx', port: await anNginxProxy(t, first.port), recorder: first },
    { name: 'HAProxy', port: await aHaproxy(t, second.port), recorder: second },
  ]
}

/** What the peer passes on when it is given these bytes and one more request. */
async function asUnderstoodBy({ port, recorder }: Peer, bytes: Buffer): Promise<readonly Understood[]> {
  recorder.take()
  await converse(port, Buffer.concat([bytes, Buffer.from(LAST)]), false)
  return recorder.take().requests
}

/** Every request that a gateway sends on for the corpus, each once, as bytes with what we meant by them. */
async function sentOn(t: TestContext, requestBuffering: boolean): Promise<Map<string, Case & { meant: Understood }>> {
  const recorder = await aRecorder(t)
  const gateway = await aGateway(t, {
    routes: [{ ports: [recorder.port], service: { retries: 0 }, route: { requestBuffering } }],
    settings: { upstreamRequestId: false },
  })
  const sent = new Map<string, Case & { meant: Understood }>()
  for (const { name, text } of corpus.flatMap(variantsOf)) {
    await converse(gateway.port, Buffer.from(text + LAST, 'latin1'), true)
    for (const bytes of recorder.take().bytes) {
      for (let from = 0; from < bytes.length; ) {
        const { requests, end } = understand(bytes.subarray(from), 1)
        // The rest was cut off with its client: no upstream takes it for a request.
        if (requests.length === 0) break
        const one = bytes.toString('latin1', from, from + end)
        if (!sent.has(one)) sent.set(one, { name, text: one, meant: requests[0]! })
        from += end
      }
    }
  }
  return sent
}

test('nothing that we send on is framed differently by nginx or HAProxy', {
  skip: lacks('nginx', 'haproxy'),
}, async t => {
  const sent = new Map([...(await sentOn(t, true)), ...(await sentOn(t, false))])
  const peers = await thePeers(t)
  const differences: string[] = []
  for (const { name, text, meant } of sent.values()) {
    for (const peer of peers) {
      const seen = await asUnderstoodBy(peer, Buffer.from(text, 'latin1'))
      const isRefused = seen.length === 0 && STRICTER.has(`${peer.name}: ${name}`)
      if (isRefused || JSON.stringify(seen) === JSON.stringify([meant, 'GET /last '])) continue
      differences.push(`${peer.name}: ${name}: read ${JSON.stringify(seen)} where we meant ${JSON.stringify(meant)}`)
    }
  }
  assert.deepEqual(differences, [])
  // We do not pass by refusing everything.
  assert.ok(sent.size > 100, `${sent.size} requests were sent on`)
})

test('the corpus holds what nginx and HAProxy disagree about', { skip: lacks('nginx', 'haproxy') }, async t => {
  const peers = await thePeers(t)
  for (const wanted of ["lengths '5' and '5'", "length '5, 5'", 'TE folded by tab']) {
    const { text } = corpus.find(({ name }) => name === wanted)!
    const bytes = Buffer.from(text, 'latin1')
    const [first, second] = [await asUnderstoodBy(peers[0]!, bytes), await asUnderstoodBy(peers[1]!, bytes)]
    assert.notDeepEqual(first, second, wanted)
  }
})
