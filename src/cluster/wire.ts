/**
 * The binary frames: deltas and the chunks of a snapshot, encoded once for any number of data planes.
 *
 * A frame is one byte of kind, one of encoding, then the body. A delta is one frame. A snapshot is one stream of
 * lines (a change each), compressed as a whole and cut into chunks anywhere, so that no row is too large for it.
 *
 * zstd level 1 because it was the cheapest of deflate, brotli and zstd on 10,000 routes: 7 ms against 24 (deflate 1)
 * and 14 (brotli 1), and the smallest: 750 kB against 922 and 846. Below 1 KiB no compression pays for its call.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { ConfigChange, ConfigDelta, Row } from '../entities/config.ts'
import { WireError } from './messages.ts'

const KIND_DELTA = 1
const KIND_CHUNK = 2
const ENCODING_IDENTITY = 0
const ENCODING_ZSTD = 1
const CHUNK_HEAD = Uint8Array.of(KIND_CHUNK, ENCODING_IDENTITY)

export const CHUNK_BYTES_MAX = 256 * 1024
/** Larger deltas are sent as a snapshot, which streams: so neither side holds more than this of one in memory. */
export const DELTA_BYTES_MAX = 4 * 1024 * 1024
/** The largest frame a data plane must accept: an incompressible delta and its two bytes, with room. */
export const FRAME_BYTES_MAX = DELTA_BYTES_MAX + 1024
const COMPRESS_BYTES_MIN = 1024
export const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

/** The delta as a frame, or null when it is too large to be sent as one. */
export function encodeDelta(delta: ConfigDelta): Buffer | null {
  const changes = delta.changes.map(({ entity, key, row }) => [entity, key, row])
  const { from, version, config_hash } = delta
  const body = Buffer.from(JSON.stringify({ from, version, config_hash, changes }))
  if (body.length > DELTA_BYTES_MAX) return null
  if (body.length < COMPRESS_BYTES_MIN) return frame(KIND_DELTA, ENCODING_IDENTITY, body)
  return frame(KIND_DELTA, ENCODING_ZSTD, zstdCompressSync(body, ZSTD_OPTIONS))
}

/** From parts, so that what passes through in large amounts is copied once. */
export function encodeChunk(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([CHUNK_HEAD, ...parts])
}

function frame(kind: number, encoding: number, body: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(body.length + 2)
  out[0] = kind
  out[1] = encoding
  out.set(body, 2)
  return out
}

export type BinaryFrame =
  | { readonly type: 'delta'; readonly delta: ConfigDelta }
  | { readonly type: 'chunk'; readonly bytes: Uint8Array }

/** Throws WireError for anything malformed. */
export function decodeBinary(bytes: Uint8Array): BinaryFrame {
  if (bytes.length < 2) throw new WireError('binary frame too short')
  const body = bytes.subarray(2)
  const encoding = bytes[1]
  if (bytes[0] === KIND_CHUNK) {
    if (encoding !== ENCODING_IDENTITY) throw new WireError('unknown encoding of a chunk')
    if (body.length === 0 || body.length > CHUNK_BYTES_MAX) throw new WireError('chunk of a wrong size')
    return { type: 'chunk', bytes: body }
  }
  if (bytes[0] !== KIND_DELTA) throw new WireError('unknown kind of binary frame')
  return { type: 'delta', delta: parseDelta(decompress(body, encoding!)) }
}

function decompress(body: Uint8Array, encoding: number): string {
  if (body.length > DELTA_BYTES_MAX) throw new WireError('delta too large')
  if (encoding === ENCODING_IDENTITY) return Buffer.from(body.buffer, body.byteOffset, body.length).toString()
  if (encoding !== ENCODING_ZSTD) throw new WireError('unknown encoding of a delta')
  try {
    return zstdDecompressSync(body, { maxOutputLength: DELTA_BYTES_MAX }).toString()
  } catch {
    throw new WireError('delta cannot be decompressed')
  }
}

function parseDelta(text: string): ConfigDelta {
  const value = parseJson(text) as Record<string, unknown> | null
  if (typeof value !== 'object' || value === null) throw new WireError('delta is not an object')
  const { from, version, config_hash, changes } = value
  if (!Number.isSafeInteger(from) || (from as number) < 0) throw new WireError('delta has a wrong from')
  if (!Number.isSafeInteger(version) || (version as number) <= (from as number)) {
    throw new WireError('delta has a wrong version')
  }
  if (typeof config_hash !== 'string' || !/^[0-9a-f]{32}$/.test(config_hash)) {
    throw new WireError('delta has a wrong config_hash')
  }
  if (!Array.isArray(changes)) throw new WireError('delta has no changes')
  return { from: from as number, version: version as number, config_hash, changes: changes.map(toChange) }
}

/** One line of a snapshot. */
export function encodeLine({ entity, key, row }: ConfigChange): string {
  return `${JSON.stringify([entity, key, row])}\n`
}

export function decodeLine(line: string): ConfigChange {
  const change = toChange(parseJson(line))
  if (change.row === null) throw new WireError('snapshot holds a deletion')
  return change
}

function toChange(value: unknown): ConfigChange {
  if (!Array.isArray(value) || value.length !== 3) throw new WireError('malformed change')
  const [entity, key, row] = value
  if (typeof entity !== 'string' || !/^[a-z][a-z0-9_-]{0,63}$/.test(entity)) {
    throw new WireError('change has a wrong entity')
  }
  if (typeof key !== 'string' || key.length === 0 || key.length > 256) throw new WireError('change has a wrong key')
  if (typeof row !== 'object' || Array.isArray(row)) throw new WireError('change has a wrong row')
  return { entity, key, row: row as Row | null }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new WireError('body is not JSON')
  }
}
