/**
 * The least that an HTTP API over a database can do, to compare the Admin API with: `node:http` and the bare driver, no
 * validation, no defaults, no other headers. `PLACE` as JSON is the argument; prints the port.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { randomUUID } from 'node:crypto'
import { openRaw, type RawPlace } from './raw-stores.ts'

const callers = 16
const raw = await openRaw(JSON.parse(process.argv[2]!) as RawPlace, callers)
let turn = 0

const server = createServer((request, response) => {
  const answer = (status: number, body: unknown) => {
    const text = JSON.stringify(body)
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
    response.end(text)
  }
  const fail = (error: Error) => answer(500, { message: error.message })
  turn = (turn + 1) % callers
  const client = turn
  if (request.method === 'GET') {
    raw.read(client, request.url!.slice('/services/'.length)).then(row => answer(200, row), fail)
    return
  }
  let text = ''
  request.setEncoding('utf8')
  request.on('data', chunk => (text += chunk))
  request.on('end', () => {
    const row = { ...JSON.parse(text), id: randomUUID() }
    raw.write(client, row).then(() => answer(201, row), fail)
  })
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
process.once('SIGTERM', () => process.exit(0))
