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
interface Connection {
  readonly socket: net.Socket
  readonly pending: Pending[]
  timer: Timer | null
}

export function createRedisClient(settings: RedisSettings, clock: Clock): RedisClient {
  const host = settings.host ?? '127.0.0.1'
  const port = settings.port ?? 6379
  const timeoutMs = settings.timeout ?? 2000
  let connection: Connection | null = null
  let isClosed = false

  function open(): Connection {
    const socket = connect(host, port, settings)
    socket.setNoDelay(true)
    socket.unref()
    const opened: Connection = { socket, pending: [], timer: null }
    const parser = createReplyParser(reply => {
      const first = opened.pending.shift()
      if (first === undefined) return
      if (reply instanceof RedisError) first.reject(reply)
      else first.resolve(reply)
    })
    socket.on('data', (bytes: Buffer) => {
      try {
        parser.push(bytes)
      } catch (error) {
        socket.destroy(error as Error)
      }
    })
    socket.on('error', () => {})
    socket.on('close', () => drop(opened, new Error(`connection to redis ${host}:${port} was closed`)))
    greet(opened)
    return opened
  }

  /** A refusal here makes every later command fail with Redis's own words, so its answer needs no looking at. */
  function greet(opened: Connection): void {
    const { username, password, database } = settings
    const ignore = () => {}
    if (password) write(opened, username ? ['AUTH', username, password] : ['AUTH', password]).catch(ignore)
    if (database) {
      write(opened, ['SELECT', database]).catch(error => drop(opened, error as Error))
    }
  }

  function write(to: Connection, words: readonly (string | number)[]): Promise<RedisReply> {
    const { promise, resolve, reject } = Promise.withResolvers<RedisReply>()
    to.pending.push({ resolve, reject, dueAt: clock.monotonic() + timeoutMs })
    to.timer ??= clock.after(timeoutMs, () => expire(to))
    to.socket.write(encodeCommand(words))
    return promise
  }

  /** Answers come in order: when the first is late, so is everything behind it. */
  function expire(late: Connection): void {
    late.timer = null
    const first = late.pending[0]
    if (first === undefined) return
    const leftMs = first.dueAt - clock.monotonic()
    if (leftMs > 0) late.timer = clock.after(leftMs, () => expire(late))
    else drop(late, new Error(`redis ${host}:${port} did not answer within ${timeoutMs} ms`))
  }

  function drop(dropped: Connection, error: Error): void {
    if (connection === dropped) connection = null
    dropped.timer?.cancel()
    dropped.socket.destroy()
    for (const { reject } of dropped.pending.splice(0)) reject(error)
  }

  return {
    command(...words) {
      if (isClosed) return Promise.reject(new Error('the redis client is closed'))
      connection ??= open()
      if (connection.pending.length >= pendingCountMax)
        return Promise.reject(new Error('too many commands wait for redis'))
      return write(connection, words)
    },
    close() {
      isClosed = true
      if (connection !== null) drop(connection, new Error('the redis client is closed'))
    },
  }
}

function connect(host: string, port: number, { ssl, ssl_verify, server_name }: RedisSettings): net.Socket {
  if (!ssl) return net.connect({ host, port })
  const servername = server_name ?? (net.isIP(host) === 0 ? host : '')
  return tls.connect({ host, port, servername, rejectUnauthorized: ssl_verify === true })
}

function encodeCommand(words: readonly (string | number)[]): string {
  let text = `*${words.length}\r\n`
  for (const word of words) text += `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`
  return text
}
