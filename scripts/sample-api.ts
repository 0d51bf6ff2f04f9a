/** The sample API behind the demonstration: `node sample-api.ts NAME` serves on a free port and prints it. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const name = process.argv[2] ?? 'sample'
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', chunk => chunks.push(chunk))
  request.on('end', () => {
    const answer = {
      instance: name,
      method: request.method,
      path: request.url,
      consumer: request.headers['x-consumer-username'] ?? null,
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8') || null,
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(`${JSON.stringify(answer, null, 2)}\n`)
  })
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
// The parent holds the other end of stdin: when it is gone, so are we.
process.stdin.on('end', () => process.exit(0)).resume()
