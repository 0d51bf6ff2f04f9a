/** An HTTP proxy that knows CONNECT, for tests. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { TestContext } from 'node:test'

export interface ConnectProxy {
  readonly port: number
  /** The heads of all requests, in order. */
  readonly heads: string[]
}

export interface ConnectProxyOptions {
  /** Makes it an https proxy. */
  readonly pair?: { readonly cert: string; readonly key: string }
  /** The whole answer in place of agreeing. */
  readonly answer?: string
}

export async function aConnectProxy(t: TestContext, { pair, answer }: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const heads: string[] = []
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    return socket
  }
  const serve = (client: Socket) => {
    let head = ''
    keep(client).on('data', function take(bytes: Buffer) {
      head += bytes.toString('latin1')
      if (!head.endsWith('\r\n\r\n')) return
      client.off('data', take)
      heads.push(head)
      if (answer !== undefined) return void client.end(answer)
      const [, host, port] = /^CONNECT (\S+):(\d+) /.exec(head)!
      const upstream = keep(connect({ host: host!, port: Number(port) }))
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(upstream).pipe(client)
    })
  }
  const server: Server = pair === undefined ? createServer(serve) : createTlsServer(pair, serve)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, heads }
}
