/**
 * TLS ClientHellos, whole and damaged: never a crash or a hang, never a name that is none; however a hello arrives in
 * pieces, it reads the same; and the name that was written into a sound one is the one that is read.
 */
import assert from 'node:assert/strict'
import type { Random } from '../src/base/random.ts'
import { CLIENT_HELLO_BYTES_MAX, parseClientHello } from '../src/proxy/stream/client-hello.ts'

export const name = 'client-hello'

export function run(random: Random, isOver: () => boolean): number {
  let count = 0
  for (; !isOver(); count++) {
    const sni = random.next() < 0.2 ? '' : `${Math.floor(random.next() * 1e9).toString(36)}.example`
    const hello = inRecords(makeHello(random, sni), random)
    assert.deepEqual(parseClientHello(hello, hello.length), { state: 'complete', sni })
    check(damaged(hello, random), random)
  }
  return count
}

function check(bytes: Buffer, random: Random): void {
  const whole = parseClientHello(bytes, bytes.length)
  const shown = bytes.toString('hex')
  if (whole.state === 'complete') assert.match(whole.sni, /^[a-z0-9_.-]{0,255}$/, shown)
  if (bytes.length >= CLIENT_HELLO_BYTES_MAX) assert.notEqual(whole.state, 'incomplete', shown)
  const cut = Math.floor(random.next() * bytes.length)
  const early = parseClientHello(bytes, cut)
  if (early.state !== 'incomplete') assert.deepEqual(early, whole, `${cut} bytes of ${shown}`)
}

function sized(bytes: Buffer, lengthSize: 1 | 2 | 3): Buffer {
  const length = Buffer.alloc(lengthSize)
  length.writeUIntBE(bytes.length, 0, lengthSize)
  return Buffer.concat([length, bytes])
}

function randomBytes(random: Random, max: number): Buffer {
  return Buffer.from(
    Array.from({ length: Math.floor(random.next() * (max + 1)) }, () => Math.floor(random.next() * 256)),
  )
}

function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type >> 8, type & 255]), sized(body, 2)])
}

function makeHello(random: Random, sni: string): Buffer {
  const extensions: Buffer[] = []
  const others = Math.floor(random.next() * 4)
  for (let i = 0; i < others; i++)
    extensions.push(extension(1 + Math.floor(random.next() * 60), randomBytes(random, 40)))
  const named = extension(0, sized(Buffer.concat([Buffer.from([0]), sized(Buffer.from(sni), 2)]), 2))
  if (sni !== '') extensions.splice(Math.floor(random.next() * (others + 1)), 0, named)
  const ciphers = Buffer.alloc(2 + 2 * Math.floor(random.next() * 20), 0x13)
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    sized(randomBytes(random, 32), 1),
    sized(ciphers, 2),
    Buffer.from([1, 0]),
    sized(Buffer.concat(extensions), 2),
  ])
  return Buffer.concat([Buffer.from([1]), sized(body, 3)])
}

function inRecords(message: Buffer, random: Random): Buffer {
  const size = random.next() < 0.5 ? message.length : 1 + Math.floor(random.next() * 50)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size)
    records.push(Buffer.from([22, 3, 1]), sized(message.subarray(at, at + size), 2))
  return Buffer.concat(records)
}

function damaged(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes)
  const damages = 1 + Math.floor(random.next() * 4)
  for (let i = 0; i < damages; i++) copy[Math.floor(random.next() * copy.length)] = Math.floor(random.next() * 256)
  if (random.next() < 0.1) return Buffer.concat([copy, Buffer.alloc(CLIENT_HELLO_BYTES_MAX, 22)])
  return random.next() < 0.2 ? copy.subarray(0, Math.floor(random.next() * copy.length)) : copy
}
