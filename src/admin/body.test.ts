/** Tests of body.ts, through a real HTTP parser. */
import assert from 'node:assert/strict'
import { createServer, request as httpRequest } from 'node:http'
import { after, before, test } from 'node:test'
import { argumentsMax } from './arguments.ts'
import { readBody, refusedType } from './body.ts'

const server = createServer((request, response) => {
  const refused = refusedType(request, request.url === '/yaml')
  if (refused !== null) {
    response.writeHead(refused.status).end(JSON.stringify(refused.body ?? null))
    return
  }
  readBody(request, bodyBytesMax).then(
    result => {
      const { status, body } = result.ok
        ? { status: 200, body: result.body }
        : { status: result.reply.status, body: result.reply.body }
      const answer = () => response.writeHead(status, { Connection: 'close' }).end(JSON.stringify(body))
      if (request.complete) answer()
      else request.resume().once('end', answer)
    },
    () => response.destroy(),
  )
})
let port = 0
before(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as { port: number }).port
})
after(() => server.close())

interface Sent {
  readonly type?: string | string[]
  readonly body?: string | Buffer
  readonly path?: string
  readonly chunked?: boolean
}

function send({ type, body, path = '/', chunked = false }: Sent): Promise<{ status: number; body: any }> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string | string[]> = type === undefined ? {} : { 'Content-Type': type }
    if (body !== undefined && !chunked) headers['Content-Length'] = String(Buffer.byteLength(body))
    const outgoing = httpRequest({ port, path, method: 'POST', headers, agent: false }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', part => (text += part))
      response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) }))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

const json = 'application/json'
const form = 'application/x-www-form-urlencoded'

const bodyBytesMax = 1024 * 1024

test('readBody() tells the kinds of body apart', async () => {
  const cases: readonly (readonly [Sent, number, unknown])[] = [
    [{}, 200, { kind: 'none' }],
    [{ type: json, body: '{"a":1}' }, 200, { kind: 'json', value: { a: 1 }, text: '{"a":1}' }],
    [
      { type: `${json}; charset=utf-8`, body: '{"a":1}', chunked: true },
      200,
      { kind: 'json', value: { a: 1 }, text: '{"a":1}' },
    ],
    [
      { type: form, body: 'a[]=1&b=%20' },
      200,
      {
        kind: 'form',
        pairs: [
          ['a[]', '1'],
          ['b', ' '],
        ],
      },
    ],
    [{ type: 'text/yaml', body: 'a: 1', path: '/yaml' }, 200, { kind: 'yaml', text: 'a: 1' }],
    [{ type: 'text/yaml', body: 'a: 1' }, 415, null],
    [{ type: 'text/plain', body: 'a' }, 415, null],
    [{ type: 'application/vnd.api+json', body: '{}' }, 415, null],
    [{ body: 'a=1' }, 415, null],
    [{ body: 'a=1', chunked: true }, 415, null],
    [{ type: [json, form], body: '{}' }, 400, { message: 'Multiple Content-Type headers not allowed' }],
  ]
  for (const [sent, status, body] of cases) assert.deepEqual(await send(sent), { status, body }, JSON.stringify(sent))
})

test('readBody() refuses what is not a JSON object', async () => {
  const texts = ['', '{', '{}x', '[]', '"a"', '5', 'null', '{"a":{"__proto__":{"x":1}}}', '{"\\u005f_proto__":1}']
  texts.push(`{"a":${'['.repeat(300)}${']'.repeat(300)}}`, '['.repeat(1_000_000))
  const refusal = { status: 400, body: { message: 'Cannot parse JSON body' } }
  for (const body of texts) assert.deepEqual(await send({ type: json, body }), refusal, body.slice(0, 40))
  const deepInString = JSON.stringify({ a: '['.repeat(1000) })
  assert.equal((await send({ type: json, body: deepInString })).status, 200)
})

test('readBody() reads fields and files of a multipart body', async () => {
  const parts = ['--B', 'Content-Disposition: form-data; name="a[]"', '', '1']
  parts.push('--B', 'Content-Disposition: form-data; name="config"; filename="x.yml"', '', 'k: v\n', '--B--', '')
  const result = await send({ type: 'multipart/form-data; boundary=B', body: parts.join('\r\n') })
  assert.equal(result.status, 200)
  assert.deepEqual(result.body.pairs.sort(), [
    ['a[]', '1'],
    ['config', 'k: v\n'],
  ])
  assert.deepEqual((await send({ type: 'multipart/form-data', body: 'x' })).body, { kind: 'form', pairs: [] })
})

test('readBody() refuses more bytes or arguments than the limits', async () => {
  const tooLarge = { status: 413, body: { message: 'Payload too large' } }
  const big = Buffer.alloc(bodyBytesMax + 1, 0x20)
  assert.deepEqual(await send({ type: json, body: big, chunked: true }), tooLarge)
  assert.deepEqual(await send({ type: json, body: big }), tooLarge)
  const many = Array.from({ length: argumentsMax + 1 }, (_, i) => `a${i}=`).join('&')
  assert.deepEqual(await send({ type: form, body: many }), { status: 400, body: { message: 'Too many arguments' } })
  const part = 'Content-Disposition: form-data; name="a"\r\n\r\n1\r\n--B'
  const parts = `--B${`\r\n${part}`.repeat(argumentsMax + 2)}--\r\n`
  assert.equal((await send({ type: 'multipart/form-data; boundary=B', body: parts })).status, 400)
})
