/**
 * PROXY headers, whole and damaged: never a crash, never addresses that are none; however a header arrives in pieces,
 * it reads the same; and what was written as a header is read back with the same addresses.
 */
import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import type { Random } from '../src/base/random.ts'
import { parseProxyHeader, PROXY_HEADER_BYTES_MAX } from '../src/base/proxy-header.ts'

export const name = 'proxy-header'

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

export function run(random: Random, isOver: () => boolean): number {
  let count = 0
  for (; !isOver(); count++) {
    const header = random.next() < 0.5 ? version1(random) : version2(random)
    const bytes = Buffer.concat([random.next() < 0.7 ? damaged(header, random) : header, Buffer.from('PROXY rest')])
    check(bytes, random)
  }
  return count
}

function check(bytes: Buffer, random: Random): void {
  const shown = bytes.toString('latin1')
  const whole = parseProxyHeader(bytes, bytes.length)
  if (whole.state === 'complete') {
    assert.ok(whole.end > 0 && whole.end <= Math.min(bytes.length, PROXY_HEADER_BYTES_MAX), shown)
    if (whole.addresses !== null) {
      const { sourceAddress, sourcePort, destinationAddress, destinationPort } = whole.addresses
      assert.ok(isIP(sourceAddress) !== 0 && isIP(destinationAddress) !== 0, shown)
      for (const port of [sourcePort, destinationPort]) assert.ok(port >= 0 && port <= 65535, shown)
    }
  }
  const cut = Math.floor(random.next() * bytes.length)
  const early = parseProxyHeader(bytes, cut)
  if (early.state !== 'incomplete') assert.deepEqual(early, whole, `${cut} bytes of ${JSON.stringify(shown)}`)
}

function address(random: Random): string {
  return Array.from({ length: 4 }, () => Math.floor(random.next() * 256)).join('.')
}

function version1(random: Random): Buffer {
  const port = () => Math.floor(random.next() * 65536)
  const text = `PROXY TCP4 ${address(random)} ${address(random)} ${port()} ${port()}\r\n`
  const parsed = parseProxyHeader(Buffer.from(text), text.length)
  assert.ok(parsed.state === 'complete' && parsed.addresses !== null, text)
  const { sourceAddress, destinationAddress, sourcePort, destinationPort } = parsed.addresses
  assert.equal(`PROXY TCP4 ${sourceAddress} ${destinationAddress} ${sourcePort} ${destinationPort}\r\n`, text)
  return Buffer.from(text)
}

function version2(random: Random): Buffer {
  const byte = () => Math.floor(random.next() * 256)
  const isSix = random.next() < 0.5
  const addresses = Buffer.from(Array.from({ length: isSix ? 36 : 12 }, byte))
  const extension = Buffer.from([byte(), 0, 3, 1, 2, 3])
  const extensions = Buffer.concat(Array.from({ length: Math.floor(random.next() * 3) }, () => extension))
  const head = Buffer.from([0x20 + (random.next() < 0.8 ? 1 : 0), isSix ? 0x21 : 0x11, 0, 0])
  head.writeUInt16BE(addresses.length + extensions.length, 2)
  return Buffer.concat([SIGNATURE, head, addresses, extensions])
}

function damaged(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes)
  const damages = 1 + Math.floor(random.next() * 3)
  for (let i = 0; i < damages; i++) copy[Math.floor(random.next() * copy.length)] = Math.floor(random.next() * 256)
  return random.next() < 0.2 ? copy.subarray(0, Math.floor(random.next() * copy.length)) : copy
}
