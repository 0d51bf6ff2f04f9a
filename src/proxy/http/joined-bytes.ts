/** Text and payload as one piece, so that one write, one system call, sends both. */
import { OTHER } from './header-ids.ts'
import type { TrailerSection } from './chunked-decoder.ts'

/** Up to here a string is cheaper than a buffer; above, copying the payload once is. */
export const TEXT_BYTES_MAX = 8 * 1024

/** The result shares no memory with `bytes`, which may be overwritten once this returns. */
export function joinBytes(head: string, bytes: Buffer, from: number, to: number, tail: string): string | Buffer {
  const length = to - from
  if (length === 0) return head + tail
  if (length <= TEXT_BYTES_MAX) return head + bytes.toString('latin1', from, to) + tail
  const joined = Buffer.allocUnsafe(head.length + length + tail.length)
  joined.write(head, 0, 'latin1')
  bytes.copy(joined, head.length, from, to)
  joined.write(tail, head.length + length, 'latin1')
  return joined
}

/** What goes before the payload `[from, to)` as one chunk; a chunk of no bytes would end the body. */
export function chunkHead(from: number, to: number): string {
  return from === to ? '' : `${(to - from).toString(16)}\r\n`
}

/** What goes after it. */
export function chunkTail(from: number, to: number, isLast = false, trailers: TrailerSection | null = null): string {
  const end = from === to ? '' : '\r\n'
  return isLast ? `${end}0\r\n${trailers === null ? '' : trailerLines(trailers)}\r\n` : end
}

/** Fields that must not come this late (RFC 9110 section 6.5.1): framing, routing, credentials, what describes content. */
const NO_TRAILERS = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'cache-control',
  'content-range',
  'max-forwards',
  'range',
  'age',
  'location',
])

export function trailerLines(trailers: TrailerSection): string {
  let lines = ''
  for (let index = 0; index < trailers.count; index++) {
    const name = trailers.nameAt(index)
    if (trailers.ids[index] !== OTHER || NO_TRAILERS.has(name.toLowerCase())) continue
    lines += `${name}: ${trailers.valueAt(index)}\r\n`
  }
  return lines
}
