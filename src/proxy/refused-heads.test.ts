/** What is no request: its answer goes through the global plugins, as that of every other one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogPhase, PhaseHandlers, ResponsePhase } from '../sdk/sdk.ts'
import { aGateway } from '../../test/kit/proxy-gateway.ts'
import { anHttp2Session, request as ask } from '../../test/kit/http2-client.ts'
import { exchangeRaw } from '../../test/kit/raw-http.ts'

/** A plugin that tells what it sees, and the list that it tells it to. */
function aWitness(): { readonly journal: string[]; readonly entries: any[]; readonly plugin: PhaseHandlers } {
  const journal: string[] = []
  const entries: unknown[] = []
  const plugin: PhaseHandlers = {
    rewrite: () => void journal.push('rewrite'),
    access: () => void journal.push('access'),
    headerFilter({ request, response }: ResponsePhase) {
      journal.push(`filter ${request.method} ${request.path} ${response.status} ${response.source}`)
      response.setHeader('X-Seen', 'yes')
      response.transformBody(body => Buffer.from(`${body.length > 0 ? 'a' : 'no'} body`))
    },
    log(exchange: LogPhase) {
      journal.push(`log ${exchange.response.status}`)
      entries.push(exchange.serialize())
    },
  }
  return { journal, entries, plugin }
}

const long = 'a'.repeat(10_000)
const cases: [what: string, head: string, status: number, request: Record<string, unknown>][] = [
  [
    'a field that is too long',
    `POST /b?foo=bar HTTP/1.1\r\nHost: a\r\nX-Large: ${long}\r\n\r\n`,
    400,
    { method: 'POST', uri: '/b?foo=bar', querystring: { foo: 'bar' } },
  ],
  ['a line that is too long', `PUT /?foo=${long} HTTP/1.1\r\nHost: a\r\n\r\n`, 414, { method: 'PUT', uri: '' }],
  ['no Host', 'GET /b HTTP/1.1\r\nX-A: 1\r\n\r\n', 400, { method: 'GET', uri: '/b', querystring: {} }],
  ['nonsense', '\x01\x02\r\n\r\n', 400, { method: '', uri: '' }],
]
for (const [what, head, status, request] of cases) {
  test(`global plugins filter and log the answer to ${what}`, async t => {
    const { journal, entries, plugin } = aWitness()
    const gateway = await aGateway(t, { globals: [plugin], rewriters: [plugin] })
    const got = await exchangeRaw(t, gateway.port, head)
    assert.deepEqual([got.status, got.body, got.headers['x-seen']], [status, 'a body', 'yes'])
    assert.equal(got.headers['connection'], 'close')
    assert.match(journal.join(), new RegExp(`^filter ${request['method']} \\S* ${status} error,log ${status}$`))
    const entry = JSON.parse(JSON.stringify(entries[0]))
    assert.deepEqual({ ...entry.request, ...request }, entry.request)
    assert.deepEqual([entry.upstream_uri, entry.client_ip, entry.request.headers], ['', '127.0.0.1', {}])
    assert.equal(gateway.engine.stats().requests, 1)
  })
}

test('no plugin of a route sees what is no request, nor what stood in an earlier one', async t => {
  const { journal, plugin } = aWitness()
  const gateway = await aGateway(t, { routes: [{ plugins: [plugin] }] })
  const got = await exchangeRaw(t, gateway.port, 'GET / HTTP/1.1\r\n\r\n')
  assert.deepEqual([got.status, got.headers['x-seen'], journal], [400, undefined, []])
})

test('what comes by HTTP/2 and is no request is filtered and logged like the rest', async t => {
  const { journal, entries, plugin } = aWitness()
  const gateway = await aGateway(t, { globals: [plugin], http2: true })
  const session = await anHttp2Session(t, gateway.port, false)
  const answer = await ask(session, '/b?x=1', { ':method': 'POST', 'x-large': long })
  assert.deepEqual([answer.status, String(answer.body), answer.headers['x-seen']], [400, 'a body', 'yes'])
  assert.deepEqual(journal, ['filter POST /b 400 error', 'log 400'])
  assert.deepEqual([entries[0].request.method, entries[0].request.uri], ['POST', '/b?x=1'])
  // The connection goes on.
  assert.equal((await ask(session, '/c')).status, 404)
})
