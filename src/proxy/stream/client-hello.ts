/**
 * The server name in a TLS ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3), read without answering it.
 *
 * Pure and bounded: the bytes come from anybody, before anything is known of them.
 */

/** nginx's `preread_buffer_size`. Hellos with post-quantum keys have 2 KiB. */
export const CLIENT_HELLO_BYTES_MAX = 16 * 1024
const RECORD_HEAD_BYTES = 5
const RECORD_BYTES_MAX = 16 * 1024
const HANDSHAKE_RECORD = 22
const CLIENT_HELLO = 1
const SERVER_NAME_EXTENSION = 0
const HOST_NAME = 0

export type ClientHello =
  | { readonly state: 'incomplete' }
  | { readonly state: 'refused'; readonly reason: string }
  /** In lower case; empty when the client named no server. */
  | { readonly state: 'complete'; readonly sni: string }

/** Reads the first `length` of `bytes`. */
export function parseClientHello(bytes: Buffer, length: number): ClientHello {
  const message = handshakeMessage(bytes, Math.min(length, CLIENT_HELLO_BYTES_MAX))
  if (typeof message === 'string') return { state: 'refused', reason: message }
  if (message === null) {
    if (length >= CLIENT_HELLO_BYTES_MAX) return { state: 'refused', reason: 'the ClientHello is too long' }
    return { state: 'incomplete' }
  }
  const sni = serverName(new Reader(message))
  if (sni === null) return { state: 'refused', reason: 'the ClientHello is malformed' }
  return { state: 'complete', sni }
}

/** The body of the ClientHello, put together from its records; null when there is more to come, or a reason. */
function handshakeMessage(bytes: Buffer, length: number): Buffer | string | null {
  const parts: Buffer[] = []
  let gathered = 0
  let wanted = -1
  for (let at = 0; ; ) {
    if (length > at && bytes[at] !== HANDSHAKE_RECORD) return 'no TLS'
    if (length > at + 1 && bytes[at + 1] !== 3) return 'no TLS'
    if (length < at + RECORD_HEAD_BYTES) return null
    const recordBytes = bytes.readUInt16BE(at + 3)
    if (recordBytes === 0 || recordBytes > RECORD_BYTES_MAX) return 'a TLS record has an invalid length'
    const from = at + RECORD_HEAD_BYTES
    const part = bytes.subarray(from, Math.min(length, from + recordBytes))
    parts.push(part)
    gathered += part.length
    if (wanted === -1) {
      if (gathered > 0 && firstByte(parts) !== CLIENT_HELLO) return 'the first message is no ClientHello'
      if (gathered >= 4) wanted = Buffer.concat(parts).readUIntBE(1, 3) + 4
      if (wanted > CLIENT_HELLO_BYTES_MAX) return 'the ClientHello is too long'
    }
    if (wanted !== -1 && gathered >= wanted) return Buffer.concat(parts).subarray(4, wanted)
    at = from + recordBytes
    if (length < at) return null
  }
}

function firstByte(parts: readonly Buffer[]): number | undefined {
  return parts.find(part => part.length > 0)?.[0]
}

/** Vectors one after another; a null is a vector that does not fit. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  number(size: 1 | 2): number | null {
    if (this.#at + size > this.#bytes.length) return null
    const value = this.#bytes.readUIntBE(this.#at, size)
    this.#at += size
    return value
  }

  bytes(count: number | null): Buffer | null {
    if (count === null || this.#at + count > this.#bytes.length) return null
    this.#at += count
    return this.#bytes.subarray(this.#at - count, this.#at)
  }

  vector(lengthSize: 1 | 2): Buffer | null {
    return this.bytes(this.number(lengthSize))
  }
}

/** Null when it is malformed. */
function serverName(hello: Reader): string | null {
  const fixed = hello.bytes(2 + 32)
  const session = hello.vector(1)
  const ciphers = hello.vector(2)
  const compression = hello.vector(1)
  if (fixed === null || fixed[0] !== 3 || session === null || session.length > 32) return null
  if (ciphers === null || ciphers.length < 2 || ciphers.length % 2 !== 0) return null
  if (compression === null || compression.length === 0) return null
  // TLS 1.2 clients may send none at all.
  if (hello.isAtEnd) return ''
  const extensions = hello.vector(2)
  if (extensions === null || !hello.isAtEnd) return null
  return nameIn(new Reader(extensions))
}

function nameIn(extensions: Reader): string | null {
  let name = ''
  let isThere = false
  while (!extensions.isAtEnd) {
    const type = extensions.number(2)
    const body = extensions.vector(2)
    if (type === null || body === null) return null
    if (type !== SERVER_NAME_EXTENSION) continue
    const found = isThere ? null : hostName(new Reader(body))
    if (found === null) return null
    name = found
    isThere = true
  }
  return name
}

function hostName(extension: Reader): string | null {
  const list = extension.vector(2)
  if (list === null || !extension.isAtEnd) return null
  const entries = new Reader(list)
  const type = entries.number(1)
  const name = entries.vector(2)
  // There is one type of name, and one name of a type.
  if (type !== HOST_NAME || name === null || !entries.isAtEnd) return null
  const text = name.toString('latin1')
  return /^[A-Za-z0-9_.-]{1,255}$/.test(text) ? text.toLowerCase() : null
}
