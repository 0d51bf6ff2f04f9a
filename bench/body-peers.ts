/**
 * Both ends of a proxy under test, as processes of their own.
 *
 * `node body-peers.ts upstream` prints its port, serves GET /SIZE with so many bytes and reads POST to its end.
 * `node body-peers.ts load PORT up|down SIZE COUNT CONNECTIONS` sends so many requests and ends when all were answered.
 */
import { createServer } from 'node:http'
import { connect } from 'node:net'

const PIECE = Buffer.alloc(256 * 1024, 'x')
const [role, ...rest] = process.argv.slice(2)
if (role === 'upstream') serve()
else await load(rest)

function serve(): void {
  const server = createServer((incoming, outgoing) => {
    if (incoming.method === 'POST') {
      incoming.on('end', () => outgoing.end('ok')).resume()
      return
    }
    let left = Number(incoming.url!.slice(1)) || 0
    outgoing.writeHead(200, { 'content-length': left, 'content-type': 'application/octet-stream' })
    const more = () => {
      while (left > 0) {
        const piece = left >= PIECE.length ? PIECE : PIECE.subarray(0, left)
        left -= piece.length
        if (!outgoing.write(piece)) return
      }
      outgoing.end()
    }
    outgoing.on('drain', more)
    more()
  })
  server.listen(0, '127.0.0.1', () => console.log((server.address() as { port: number }).port))
}

async function load([port, direction, size, count, connections]: readonly string[]): Promise<void> {
  let left = Number(count)
  const one = async () => {
    const socket = connect(Number(port), '127.0.0.1')
    socket.setNoDelay(true)
    while (left-- > 0) {
      if (direction === 'down') {
        socket.write(`GET /${size} HTTP/1.1\r\nHost: bench\r\n\r\n`)
        await answered(socket, Number(size))
      } else {
        socket.write(`POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: ${size}\r\n\r\n`)
        const answer = answered(socket, 2)
        for (let sent = 0; sent < Number(size); sent += PIECE.length) {
          if (!socket.write(PIECE.subarray(0, Math.min(PIECE.length, Number(size) - sent)))) {
            await new Promise(resolve => socket.once('drain', resolve))
          }
        }
        await answer
      }
    }
    socket.destroy()
  }
  await Promise.all(Array.from({ length: Number(connections) }, one))
}

/** Resolves when an answer with a body of `bytes` is whole. */
function answered(socket: ReturnType<typeof connect>, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let head = ''
    let body = -1
    const receive = (data: Buffer) => {
      if (body >= 0) body += data.length
      else {
        head += data.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end === -1) return
        if (!head.startsWith('HTTP/1.1 200')) return reject(new Error(head.slice(0, end)))
        body = head.length - end - 4
      }
      if (body < bytes) return
      socket.off('data', receive)
      resolve()
    }
    socket.on('data', receive)
    socket.setMaxListeners(0)
    socket.once('close', () => reject(new Error(`closed within an answer: ${head.slice(0, 100)} ${body}`)))
  })
}
