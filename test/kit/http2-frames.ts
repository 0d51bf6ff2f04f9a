/** HTTP/2 by hand: a client of frames, for what well-behaved libraries cannot send or show. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { HpackDecoder } from '../../src/proxy/http2/hpack-decoder.ts'

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
export const TYPES = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
  'CONTINUATION',
] as const
export type FrameType = (typeof TYPES)[number]
export const END_STREAM = 1
export const END_HEADERS = 4
export const PADDED = 8
export const PRIORITIZED = 32

export interface Frame {
  readonly type: FrameType
  readonly flags: number
  readonly id: number
  readonly payload: Buffer
  /** Of HEADERS. */
  readonly fields: Readonly<Record<string, string>>
}

export function frame(type: FrameType | number, flags: number, id: number, payload: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(payload as string, 'latin1')
  const head = Buffer.alloc(9)
  head.writeUIntBE(bytes.length, 0, 3)
  head[3] = typeof type === 'number' ? type : TYPES.indexOf(type)
  head[4] = flags
  head.writeUInt32BE(id, 5)
  return Buffer.concat([head, bytes])
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([0, id]), uint32(value)])
}

/** Literal fields, neither indexed nor Huffman-coded. */
export function block(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const text = (value: string) => Buffer.concat([number(0, 127, value.length), Buffer.from(value, 'latin1')])
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

function number(pattern: number, mask: number, value: number): Buffer {
  if (value < mask) return Buffer.from([pattern | value])
  const bytes = [pattern | mask]
  let rest = value - mask
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128)
  return Buffer.from([...bytes, rest])
}

export const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a.test'],
]
export const POST: typeof GET = [[':method', 'POST'], ...GET.slice(1)]

export class FrameClient {
  readonly socket: Socket
  readonly frames: Frame[] = []
  isClosed = false
  readonly #decoder = new HpackDecoder(4096)
  #held = Buffer.alloc(0)
  #read = 0
  #wake: (() => void) | null = null

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => {
      this.#held = Buffer.concat([this.#held, bytes])
      while (this.#take()) {}
      this.#wake?.()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
      this.#wake?.()
    })
  }

  #take(): boolean {
    const held = this.#held
    if (held.length < 9 || held.length < 9 + held.readUIntBE(0, 3)) return false
    const payload = held.subarray(9, 9 + held.readUIntBE(0, 3))
    const type = TYPES[held[3]!]!
    const fields: Record<string, string> = {}
    if (type === 'HEADERS') {
      const sink = { field: ({ name, value }: { name: string; value: string }) => void (fields[name] = value) }
      this.#decoder.decode(payload, 0, payload.length, sink)
    }
    this.frames.push({ type, flags: held[4]!, id: held.readUInt32BE(5), payload, fields })
    this.#held = held.subarray(9 + payload.length)
    return true
  }

  send(...frames: readonly Buffer[]): this {
    this.socket.write(Buffer.concat(frames))
    return this
  }

  /** A request without body, or the head of one with. */
  headers(id: number, fields = GET, flags = END_STREAM | END_HEADERS): this {
    return this.send(frame('HEADERS', flags, id, block(fields)))
  }

  /** The next frame that the test waits for; those before it are passed over. Throws when the connection ends first. */
  async next(wanted: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      while (this.#read < this.frames.length) {
        const found = this.frames[this.#read++]!
        if (wanted(found)) return found
      }
      if (this.isClosed) throw new Error(`connection ended; got ${this.frames.map(describe).join(', ')}`)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  /** `GOAWAY 1`, `RST_STREAM 5` or `200`: how the peer reacted to what was sent. */
  async verdict(): Promise<string> {
    const found = await this.next(
      ({ type, payload, fields }) =>
        (type === 'GOAWAY' && payload.readUInt32BE(4) !== 0) ||
        type === 'RST_STREAM' ||
        fields[':status'] !== undefined,
    )
    return describe(found)
  }

  async closed(): Promise<void> {
    if (!this.isClosed) await once(this.socket, 'close')
  }
}

function describe({ type, payload, fields }: Frame): string {
  if (type === 'HEADERS') return fields[':status'] ?? 'trailers'
  if (type === 'GOAWAY') return `GOAWAY ${payload.readUInt32BE(4)}`
  return type === 'RST_STREAM' ? `RST_STREAM ${payload.readUInt32BE(0)}` : type
}

/** Connected, prefaces exchanged. */
export async function aFrameClient(
  t: TestContext,
  port: number,
  settings: readonly Buffer[] = [],
): Promise<FrameClient> {
  const socket = connect({ port, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  const client = new FrameClient(socket)
  client.send(Buffer.from(PREFACE, 'latin1'), frame('SETTINGS', 0, 0, Buffer.concat(settings)))
  await client.next(({ type, flags }) => type === 'SETTINGS' && flags === 1)
  return client
}
