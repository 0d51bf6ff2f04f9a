/** Redis counters and their client, against a small server of ours that speaks the protocol. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { after, test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { FakeClock } from '../../test/kit/plugin-exchange.ts'
import { createRedisCounters } from './redis-counters.ts'
import { createReplyParser, RedisError, type RedisReply } from './redis-replies.ts'
import { createRedisClient, type RedisSettings } from './redis.ts'

/** Knows AUTH, SELECT, GET, PING and what the counters' script does; counts in `values`. */
async function startServer({ password = '', isMute = false } = {}) {
  const values = new Map<string, number>()
  const commands: string[][] = []
  const sockets = new Set<net.Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    let isKnown = password === ''
    const parser = createReplyParser(reply => {
      const words = (reply as RedisReply[]).map(String)
      commands.push(words)
      if (isMute) return
      const [name = '', ...rest] = words
      if (name === 'AUTH') {
        isKnown = rest.at(-1) === password
        socket.write(isKnown ? '+OK\r\n' : '-WRONGPASS invalid\r\n')
      } else if (!isKnown) socket.write('-NOAUTH Authentication required.\r\n')
      else if (name === 'GET') socket.write(values.has(rest[0]!) ? `$1\r\n${values.get(rest[0]!)}\r\n` : '$-1\r\n')
      else if (name === 'EVAL') {
        const [, , key = '', count = ''] = rest
        values.set(key, (values.get(key) ?? 0) + Number(count))
        socket.write(`:${values.get(key)}\r\n`)
      } else socket.write('+OK\r\n')
    })
    socket.on('data', (bytes: Buffer) => parser.push(bytes))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  after(stop)
  const { port } = server.address() as net.AddressInfo
  return { port, values, commands, sockets, stop }
}

const settings = (port: number, more: Partial<RedisSettings> = {}): RedisSettings => ({
  host: '127.0.0.1',
  port,
  timeout: 1000,
  username: null,
  password: null,
  database: 0,
  ssl: false,
  ssl_verify: false,
  server_name: null,
  ...more,
})
const window = (limit: number, key = 'k') => ({ key, limit, endsAt: 60_000, seconds: 60 })
const options = { clock: systemClock, log: silentLogger }

test('take() counts in redis, refused requests too, when sync_rate is -1', async () => {
  const { port, values, commands } = await startServer()
  const counters = createRedisCounters(settings(port, { database: 3 }), -1, options)
  const takes = [await counters.take([window(2)]), await counters.take([window(2)]), await counters.take([window(2)])]
  assert.deepEqual(takes, [
    { taken: true, usages: [0] },
    { taken: true, usages: [1] },
    { taken: false, usages: [2] },
  ])
  assert.equal(values.get('k'), 3)
  assert.deepEqual(commands[0], ['SELECT', '3'])
  assert.deepEqual(commands[1]!.slice(2), ['1', 'k', '1', '60'])
  counters.close()
})

test('take() decides locally and tells redis every sync_rate seconds', async () => {
  const { port, values } = await startServer()
  values.set('k', 2)
  const clock = new FakeClock(0)
  const counters = createRedisCounters(settings(port), 5, { ...options, clock })
  assert.deepEqual(await counters.take([window(5)]), { taken: true, usages: [2] })
  assert.deepEqual(counters.take([window(5)]), { taken: true, usages: [3] })
  assert.equal(values.get('k'), 2)
  await clock.advance(5000)
  while (values.get('k') !== 4) await new Promise(resolve => setImmediate(resolve))
  counters.close()
})

test('take() rejects when redis refuses, and works again with the right password', async () => {
  const { port, commands } = await startServer({ password: 'secret' })
  const denied = createRedisCounters(settings(port, { password: 'wrong' }), -1, options)
  await assert.rejects(async () => denied.take([window(1)]), RedisError)
  denied.close()
  const allowed = createRedisCounters(settings(port, { username: 'me', password: 'secret' }), -1, options)
  assert.equal((await allowed.take([window(1)])).taken, true)
  assert.ok(commands.some(words => words.join(' ') === 'AUTH me secret'))
  allowed.close()
})

test('command() rejects when nobody listens, and connects again after a lost connection', async () => {
  const { port, sockets, stop } = await startServer()
  const client = createRedisClient(settings(port), systemClock)
  assert.equal(await client.command('PING'), 'OK')
  for (const socket of sockets) socket.destroy()
  let answers: unknown[] = []
  while (answers.at(-1) !== 'OK') answers = [...answers, await client.command('PING').catch(() => 'lost')]
  stop()
  while (answers.at(-1) !== 'refused') answers = [...answers, await client.command('PING').catch(() => 'refused')]
  client.close()
  await assert.rejects(client.command('PING'), /closed/)
})

test('command() rejects when the answer does not come in time', async () => {
  const { port } = await startServer({ isMute: true })
  const clock = new FakeClock(0)
  const client = createRedisClient(settings(port), clock)
  const answer = assert.rejects(client.command('PING'), /did not answer within 1000 ms/)
  await clock.advance(1000)
  await answer
  client.close()
})

test('createReplyParser() reads the same answers however the bytes are cut', () => {
  const bytes = Buffer.from('+OK\r\n-ERR no\r\n:-5\r\n$5\r\nh\r\nlo\r\n$-1\r\n*3\r\n:1\r\n$0\r\n\r\n*-1\r\n')
  const whole = ['OK', new RedisError('ERR no'), -5, 'h\r\nlo', null, [1, '', null]]
  for (let size = 1; size <= bytes.length; size++) {
    const replies: RedisReply[] = []
    const parser = createReplyParser(reply => replies.push(reply))
    for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size))
    assert.deepEqual(replies, whole)
  }
})

test('createReplyParser() throws when the bytes are not the protocol', () => {
  for (const bytes of ['HTTP/1.1 400\r\n', ':x\r\n', `${'*1\r\n'.repeat(20)}`]) {
    assert.throws(() => createReplyParser(() => {}).push(Buffer.from(bytes)))
  }
})
