/**
 * Header blocks, damaged at random, given to our HPACK decoder and to nghttp2 (inside node:http2).
 *
 * Both must agree on what is no header block, whatever came before on the connection: who disagrees has another table
 * from then on. The table never grows beyond its limit, and what we read is written and read again as the same.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { performServerHandshake } from 'node:http2'
import { Duplex } from 'node:stream'
import type { Random } from '../src/base/random.ts'
import { FrameReader, PREFACE } from '../src/proxy/http2/frames.ts'
import { HpackDecoder } from '../src/proxy/http2/hpack-decoder.ts'
import { HpackEncoder } from '../src/proxy/http2/hpack-encoder.ts'
import { frame } from '../test/kit/http2-frames.ts'

export const name = 'hpack'

const TABLE_BYTES = 4096
const COMPRESSION_ERROR = 9
const BLOCKS_MAX = 4

type Field = readonly [name: string, value: string]

export async function run(random: Random, isOver: () => boolean): Promise<number> {
  const corpus = globSync('fuzz/corpus/hpack/*')
    .sort()
    .map(file => readFileSync(file))
  let count = 0
  for (; !isOver() || count < corpus.length; count++) {
    const seed = corpus[count]
    const blocks = seed === undefined ? makeBlocks(random, corpus) : [seed]
    const accepted = readAll(blocks)
    // Asking the other one costs a connection: not each time.
    if (seed !== undefined || random.next() < 0.1) assert.equal(accepted, await nghttp2Accepts(blocks), hexOf(blocks))
  }
  return count
}

function hexOf(blocks: readonly Buffer[]): string {
  return blocks.map(block => block.toString('hex')).join(' ')
}

function makeBlocks(random: Random, corpus: readonly Buffer[]): Buffer[] {
  const number = (below: number) => Math.floor(random.next() * below)
  return Array.from({ length: 1 + number(BLOCKS_MAX) }, () => {
    if (random.next() < 0.2) return Buffer.from(Array.from({ length: number(40) }, () => number(256)))
    const block = Buffer.concat(Array.from({ length: 1 + number(3) }, () => corpus[number(corpus.length)]!))
    for (let damages = number(3); damages > 0; damages--) block[number(block.length)] = number(256)
    return block.subarray(0, random.next() < 0.2 ? number(block.length) : block.length)
  })
}

/** Whether all blocks of a connection are accepted. */
function readAll(blocks: readonly Buffer[]): boolean {
  const decoder = new HpackDecoder(TABLE_BYTES)
  const encoder = new HpackEncoder()
  const again = new HpackDecoder(TABLE_BYTES)
  for (const block of blocks) {
    const fields = decode(decoder, block)
    assert.ok(decoder.tableSize <= TABLE_BYTES, `table of ${decoder.tableSize} octets: ${hexOf(blocks)}`)
    if (fields === null) return false
    // We never write other than lower case.
    const sent = fields.map(([name, value]) => [name.toLowerCase(), value] as const)
    const plain = sent.filter(([name]) => !UNSENT.has(name))
    assert.deepEqual(decode(again, encode(encoder, plain)), plain, hexOf(blocks))
  }
  return true
}

/** Fields that the encoder leaves out, being about connections. */
const UNSENT = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'host'])

function decode(decoder: HpackDecoder, block: Buffer): Field[] | null {
  const fields: Field[] = []
  const isWhole = decoder.decode(block, 0, block.length, { field: one => void fields.push([one.name, one.value]) })
  return isWhole ? fields : null
}

function encode(encoder: HpackEncoder, fields: readonly Field[]): Buffer {
  const lengths = fields.map(([name, value]) => name.length + value.length + 16)
  const out = Buffer.alloc(lengths.reduce((sum, length) => sum + length, 16))
  let at = encoder.begin(out, 0)
  for (const [name, value] of fields) at = encoder.field(out, at, name, value)
  return out.subarray(0, at)
}

/** Whether a connection of node:http2 survives these blocks, a stream each. */
function nghttp2Accepts(blocks: readonly Buffer[]): Promise<boolean> {
  return new Promise(resolve => {
    const reader = new FrameReader()
    const socket = new Duplex({
      read() {},
      write(bytes: Buffer, _encoding, done) {
        reader.read(bytes, 0, bytes.length, sink)
        done()
      },
    })
    const end = (accepted: boolean) => {
      resolve(accepted)
      session.destroy()
    }
    const sink = {
      isOpen: true,
      frame(type: number, flags: number, _id: number, payload: Buffer, from: number) {
        if (type === 7 && payload.readUInt32BE(from + 4) === COMPRESSION_ERROR) end(false)
        // Our PING comes back: everything before it has been read.
        else if (type === 6 && flags === 1) end(true)
      },
      frameTooLarge() {},
    }
    const session = performServerHandshake(socket)
    session.on('error', () => {})
    session.on('stream', stream => stream.on('error', () => {}))
    const frames = blocks.map((block, index) => frame('HEADERS', 5, index * 2 + 1, block.toString('latin1')))
    socket.push(Buffer.concat([PREFACE, frame('SETTINGS', 0, 0), ...frames, frame('PING', 0, 0, '12345678')]))
  })
}
