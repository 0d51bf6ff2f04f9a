/** Reads Redis answers (RESP2) from a stream of bytes. */

export type RedisReply = string | number | null | RedisError | RedisReply[]

/** Redis understood, and said no. */
export class RedisError extends Error {}

/** Larger answers are nothing that we ask for. */
const replyBytesMax = 16 * 1024 * 1024
const nestingMax = 8

/** Calls `receive` with each whole answer; throws when the bytes are not Redis's protocol. */
export function createReplyParser(receive: (reply: RedisReply) => void): { push(bytes: Buffer): void } {
  let held: Buffer = Buffer.alloc(0)
  return {
    push(bytes) {
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
      let at = 0
      for (;;) {
        const parsed = parseReply(held, at, 0)
        if (parsed === null) break
        at = parsed.end
        receive(parsed.reply)
      }
      held = held.subarray(at)
      if (held.length > replyBytesMax) throw new Error('redis sent an answer that is too large')
    },
  }
}

interface Parsed {
  readonly reply: RedisReply
  readonly end: number
}

/** Null when the answer is not complete yet. */
function parseReply(bytes: Buffer, at: number, depth: number): Parsed | null {
  const lineEnd = bytes.indexOf('\r\n', at)
  if (lineEnd === -1) return null
  const line = bytes.toString('utf8', at + 1, lineEnd)
  const end = lineEnd + 2
  switch (bytes[at]) {
    case 0x2b: // +
      return { reply: line, end }
    case 0x2d: // -
      return { reply: new RedisError(line), end }
    case 0x3a: // :
      return { reply: parseCount(line), end }
    case 0x24: // $
      return parseText(bytes, end, parseCount(line))
    case 0x2a: // *
      if (depth === nestingMax) throw new Error('redis sent an answer that is nested too deep')
      return parseList(bytes, end, parseCount(line), depth)
    default:
      throw new Error('redis sent something that is not its protocol')
  }
}

function parseText(bytes: Buffer, start: number, length: number): Parsed | null {
  if (length < 0) return { reply: null, end: start }
  const end = start + length + 2
  return bytes.length < end ? null : { reply: bytes.toString('utf8', start, start + length), end }
}

function parseList(bytes: Buffer, start: number, count: number, depth: number): Parsed | null {
  if (count < 0) return { reply: null, end: start }
  const list: RedisReply[] = []
  let end = start
  while (list.length < count) {
    const parsed = parseReply(bytes, end, depth + 1)
    if (parsed === null) return null
    list.push(parsed.reply)
    end = parsed.end
  }
  return { reply: list, end }
}

function parseCount(line: string): number {
  if (!/^-?\d{1,16}$/.test(line)) throw new Error('redis sent something that is not a number')
  return Number(line)
}
