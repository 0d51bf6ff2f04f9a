/** A small Redis client: pipelined commands over one connection (RESP2), opened when needed and again after a failure. */
import net from 'node:net'
import tls from 'node:tls'
import type { Clock, Timer } from '../base/clock.ts'
import { createReplyParser, RedisError, type RedisReply } from './redis-replies.ts'

/** The `redis` record of plugin configurations. */
export interface RedisSettings {
  readonly host: string | null
  readonly port: number | null
  /** Milliseconds, for connecting and for each answer. */
  readonly timeout: number | null
  readonly username: string | null
  readonly password: string | null
  readonly database: number | null
  readonly ssl: boolean | null
  readonly ssl_verify: boolean | null
  readonly server_name: string | null
}

export interface RedisClient {
  /** Rejects with a RedisError when Redis refused the command, else when it could not be asked. */
  command(...words: readonly (string | number)[]): Promise<RedisReply>
  close(): void
}

/** Commands that may wait for answers; beyond it the server is too slow to be of use. */
const pendingCountMax = 50_000

interface Pending {
  readonly resolve: (reply: RedisReply) => void
  readonly reject: (error: Error) => void
  readonly dueAt: number
}

export function createRedisClient(settings: RedisSettings, clock: Clock): RedisClient {
  let connection: Connection | null = null
  let isClosed = false

  function open(): Connection {
    const opened = createConnection(settings, clock, () => {
      if (connection === opened) connection = null
    })
    return opened
  }

  return {
    command(...words) {
      if (isClosed) return Promise.reject(new Error('the redis client is closed'))
      connection ??= open()
      return connection.write(words)
    },
    close() {
      isClosed = true
      connection?.drop(new Error('the redis client is closed'))
    },
  }
}

interface Connection {
  write(words: readonly (string | number)[]): Promise<RedisReply>
  /** Ends it; commands under way fail with this error. */
  drop(error: Error): void
}

function createConnection(settings: RedisSettings, clock: Clock, onDrop: () => void): Connection {
  const server = `redis ${settings.host ?? '127.0.0.1'}:${settings.port ?? 6379}`
  const timeoutMs = settings.timeout ?? 2000
  const pending: Pending[] = []
  let timer: Timer | null = null
  const socket = connect(settings)
  const parser = createReplyParser(reply => {
    const first = pending.shift()
    if (reply instanceof RedisError) first?.reject(reply)
    else first?.resolve(reply)
  })

  function write(words: readonly (string | number)[]): Promise<RedisReply> {
    if (pending.length >= pendingCountMax) return Promise.reject(new Error(`too many commands wait for ${server}`))
    const { promise, resolve, reject } = Promise.withResolvers<RedisReply>()
    pending.push({ resolve, reject, dueAt: clock.monotonic() + timeoutMs })
    timer ??= clock.after(timeoutMs, expire)
    socket.write(encodeCommand(words))
    return promise
  }

  /** Answers come in order: when the first is late, so is everything behind it. */
  function expire(): void {
    timer = null
    const first = pending[0]
    if (first === undefined) return
    const leftMs = first.dueAt - clock.monotonic()
    if (leftMs > 0) timer = clock.after(leftMs, expire)
    else drop(new Error(`${server} did not answer within ${timeoutMs} ms`))
  }

  function drop(error: Error): void {
    onDrop()
    timer?.cancel()
    socket.destroy()
    for (const { reject } of pending.splice(0)) reject(error)
  }

  socket.setNoDelay(true)
  socket.unref()
  socket.on('data', (bytes: Buffer) => {
    try {
      parser.push(bytes)
    } catch (error) {
      drop(error as Error)
    }
  })
  // What was wrong is told by `close`, which always follows.
  socket.on('error', () => {})
  socket.on('close', () => drop(new Error(`the connection to ${server} was closed`)))
  greet(settings, write, drop)
  return { write, drop }
}

/** A refused password needs no looking at: every later command then fails with Redis's own words. */
function greet(
  { username, password, database }: RedisSettings,
  write: Connection['write'],
  drop: Connection['drop'],
): void {
  if (password) write(username ? ['AUTH', username, password] : ['AUTH', password]).catch(() => {})
  if (database) write(['SELECT', database]).catch(drop)
}

function connect({ ssl, ssl_verify, server_name, ...address }: RedisSettings): net.Socket {
  const host = address.host ?? '127.0.0.1'
  const port = address.port ?? 6379
  if (!ssl) return net.connect({ host, port })
  const servername = server_name ?? (net.isIP(host) === 0 ? host : '')
  return tls.connect({ host, port, servername, rejectUnauthorized: ssl_verify === true })
}

function encodeCommand(words: readonly (string | number)[]): string {
  let text = `*${words.length}\r\n`
  for (const word of words) text += `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`
  return text
}
