/** The head of a request: RFC 9112 sections 2, 3, 6 and 7, without leniency, since a proxy must not disagree with its upstreams. */
import { CHARACTER_CLASSES, DIGIT, HEX_DIGIT, HOST_NAME, METHOD, ODD_IN_TARGET, TARGET } from './character-classes.ts'
import { CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE } from './header-ids.ts'
import { isValidPath } from './normal-path.ts'
import { HeadScanner, listHas, NEED_MORE, type ScanResult } from './head-scanner.ts'

const CR = 13
const LF = 10
const SPACE = 32
const SLASH = 47
/** Longest method; IANA's longest registered one has 16 characters. */
const METHOD_BYTES_MAX = 32
/** Empty lines before a request that are ignored (RFC 9112 section 2.2). */
const EMPTY_LINES_MAX = 4

/** Length of a body framed as chunks. */
export const CHUNKED = -1

export class RequestHead extends HeadScanner {
  method = ''
  /** Origin form: begins with `/`; query included. */
  target = ''
  /** `target` without query. */
  path = ''
  /** Nothing in `target` needs to be decoded, escaped or resolved; slashes may still be doubled. */
  isPlain = true
  minor: 0 | 1 = 1
  /** Came by HTTP/2; `minor` is 1 then. */
  readonly isHttp2: boolean = false
  /** As sent, or of an absolute-form target; '' for an HTTP/1.0 request without Host. */
  host = ''
  /** Part of `host` that is the name; IPv6 addresses keep their brackets. */
  hostname = ''
  /** Port given in `host`, or 0. */
  hostPort = 0
  /** Bytes of the body, 0 for none, or CHUNKED. */
  bodyLength = 0
  keepAlive = true
  expectsContinue = false
  /** Asks to change to WebSocket; the only protocol Kong lets through. */
  upgradesToWebsocket = false
  acceptsTrailers = false

  get version(): '1.0' | '1.1' | '2' {
    if (this.isHttp2) return '2'
    return this.minor === 0 ? '1.0' : '1.1'
  }

  /** Returns the position after the head, NEED_MORE, or a refusal. */
  parse(bytes: Buffer, from: number, to: number): ScanResult {
    let start = from
    for (let lines = 0; start < to && bytes[start] === CR; lines++) {
      if (lines === EMPTY_LINES_MAX) return this.refuse(400, 'too many empty lines before request')
      if (start + 1 >= to) return NEED_MORE
      if (bytes[start + 1] !== LF) return this.refuse(400, 'bare CR before request')
      start += 2
    }
    const lineEnd = this.#scanRequestLine(bytes, start, to)
    if (lineEnd <= 0) return lineEnd
    const end = this.scanFields(bytes, lineEnd, to, start)
    if (end <= 0) return end
    const fault = this.check()
    return fault === 0 ? end : fault
  }

  /** Of a head that is refused nothing counts but what its first line says. */
  forget(method: string, target: string): void {
    this.clearFields()
    this.text = this.host = this.hostname = ''
    this.method = method
    this.target = target
    this.path = target.split('?', 1)[0]!
    this.isPlain = true
    this.hostPort = this.bodyLength = 0
    this.minor = 1
    this.keepAlive = this.expectsContinue = this.upgradesToWebsocket = this.acceptsTrailers = false
  }

  /** What must hold of a head whose text is complete: 0, or a refusal. */
  protected check(): ScanResult {
    return this.#checkTarget() || this.#checkHost() || this.#checkFraming()
  }

  protected methodEnd = 0
  protected targetEnd = 0

  #scanRequestLine(bytes: Uint8Array, start: number, to: number): ScanResult {
    const classes = CHARACTER_CLASSES
    let i = start
    while (i < to && (classes[bytes[i]!]! & METHOD) !== 0) i++
    if (i - start > METHOD_BYTES_MAX) return this.refuse(400, 'method too long')
    if (i >= to) return NEED_MORE
    if (bytes[i] !== SPACE || i === start) return this.refuse(400, 'illegal method')
    this.methodEnd = i - start
    const targetStart = ++i
    let found = 0
    while (i < to && (classes[bytes[i]!]! & TARGET) !== 0) found |= classes[bytes[i++]!]!
    if (i >= to) return NEED_MORE
    this.isPlain = (found & ODD_IN_TARGET) === 0
    if (bytes[i] !== SPACE || i === targetStart) return this.refuse(400, 'illegal request target')
    this.targetEnd = i - start
    return this.#scanVersion(bytes, i + 1, to)
  }

  #scanVersion(bytes: Uint8Array, start: number, to: number): ScanResult {
    for (let i = 0; i < 8 && start + i < to; i++) {
      const byte = bytes[start + i]!
      const isDigit = (CHARACTER_CLASSES[byte]! & DIGIT) !== 0
      if (i === 5 || i === 7 ? !isDigit : byte !== 'HTTP/1.1'.charCodeAt(i)) {
        return this.refuse(400, 'malformed protocol version')
      }
    }
    if (start + 10 > to) return NEED_MORE
    if (bytes[start + 8] !== CR || bytes[start + 9] !== LF) return this.refuse(400, 'malformed end of request line')
    if (this.targetEnd + 11 > this.lineBytesMax) return this.refuse(414, 'request line too long')
    const minor = bytes[start + 7]! - 48
    if (bytes[start + 5] !== 49 || minor > 1) return this.refuse(505, 'unsupported protocol version')
    this.minor = minor === 0 ? 0 : 1
    return start + 10
  }

  #checkTarget(): ScanResult {
    this.method = this.text.slice(0, this.methodEnd)
    this.target = this.text.slice(this.methodEnd + 1, this.targetEnd)
    this.host = ''
    // As nginx: tunnels to anywhere and echoes of credentials are nobody's business here.
    if (this.method === 'CONNECT' || this.method === 'TRACE') return this.refuse(405, 'method not allowed')
    if (this.target.charCodeAt(0) !== SLASH && !this.#takeAbsoluteForm()) return this.refuse(400, 'illegal target')
    // RFC 9112 section 3.2 has no fragment here: nginx leaves it off for itself and passes it on, HAProxy refuses it.
    if (this.target.includes('#')) return this.refuse(400, 'fragment in request target')
    const question = this.target.indexOf('?')
    this.path = question === -1 ? this.target : this.target.slice(0, question)
    return this.isPlain || isValidPath(this.path) ? 0 : this.refuse(400, 'illegal path')
  }

  /** RFC 9112 section 3.2.2: the authority of the target replaces the Host header, which must be there all the same. */
  #takeAbsoluteForm(): boolean {
    const match = /^https?:\/\/([^/?#]+)([/?].*)?$/i.exec(this.target)
    if (match === null) return false
    this.host = match[1]!
    const rest = match[2] ?? '/'
    this.target = rest.startsWith('/') ? rest : `/${rest}`
    return true
  }

  #checkHost(): ScanResult {
    if (this.isRepeated(HOST)) return this.refuse(400, 'more than one Host header')
    if (this.has(HOST)) {
      const value = this.known(HOST)
      if (!this.#splitHost(value)) return this.refuse(400, 'invalid Host header')
      if (this.host === '') this.host = value
      else if (!this.#splitHost(this.host)) return this.refuse(400, 'invalid authority in request target')
      return 0
    }
    if (this.minor === 1) return this.refuse(400, 'missing Host header')
    this.hostname = ''
    this.hostPort = 0
    if (this.host !== '' && !this.#splitHost(this.host)) return this.refuse(400, 'invalid authority in request target')
    return 0
  }

  #splitHost(host: string): boolean {
    const end = host.charCodeAt(0) === 91 ? ipv6End(host) : hostnameEnd(host)
    if (end <= 0) return false
    this.hostPort = 0
    for (let i = end + 1; i < host.length; i++) {
      const digit = host.charCodeAt(i) - 48
      if (digit < 0 || digit > 9) return false
      this.hostPort = this.hostPort * 10 + digit
      if (this.hostPort > 65535) return false
    }
    this.hostname = end === host.length ? host : host.slice(0, end)
    return end === host.length || host.charCodeAt(end) === 58
  }

  #checkFraming(): ScanResult {
    this.bodyLength = 0
    if (this.has(TRANSFER_ENCODING)) {
      if (this.minor === 0) return this.refuse(400, 'Transfer-Encoding in HTTP/1.0')
      if (this.has(CONTENT_LENGTH)) return this.refuse(400, 'both Transfer-Encoding and Content-Length')
      if (this.isRepeated(TRANSFER_ENCODING)) return this.refuse(400, 'more than one Transfer-Encoding header')
      if (this.known(TRANSFER_ENCODING).toLowerCase() !== 'chunked') return this.refuse(501, 'unknown transfer coding')
      // White space that RFC 9110 allows here, but that nginx and llhttp take for a part of the value.
      if (this.knownLine(TRANSFER_ENCODING).includes('\t')) return this.refuse(400, 'tab around a transfer coding')
      this.bodyLength = CHUNKED
    } else if (this.has(CONTENT_LENGTH)) {
      if (this.isRepeated(CONTENT_LENGTH)) return this.refuse(400, 'more than one Content-Length header')
      this.bodyLength = parseContentLength(this.known(CONTENT_LENGTH))
      if (this.bodyLength < 0) return this.refuse(400, 'invalid Content-Length')
    }
    return this.#checkConnection()
  }

  #checkConnection(): ScanResult {
    this.expectsContinue = false
    if (this.has(EXPECT)) {
      const isContinue = !this.isRepeated(EXPECT) && this.known(EXPECT).toLowerCase() === '100-continue'
      if (!isContinue) return this.refuse(417, 'unknown expectation')
      this.expectsContinue = this.minor === 1
    }
    this.keepAlive = this.minor === 1
    this.upgradesToWebsocket = false
    if (this.has(CONNECTION)) {
      const options = this.knownList(CONNECTION)
      if (listHas(options, 'close')) this.keepAlive = false
      else if (listHas(options, 'keep-alive')) this.keepAlive = true
      this.upgradesToWebsocket =
        this.minor === 1 &&
        this.has(UPGRADE) &&
        listHas(options, 'upgrade') &&
        this.known(UPGRADE).toLowerCase() === 'websocket'
    }
    this.acceptsTrailers = this.has(TE) && listHas(this.knownList(TE), 'trailers')
    return 0
  }
}

/** Digits only, and few enough for exact arithmetic; -1 for anything else, lists included. */
export function parseContentLength(value: string): number {
  if (value.length === 0 || value.length > 15) return -1
  let length = 0
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return -1
    length = length * 10 + digit
  }
  return length
}

function hostnameEnd(host: string): number {
  let i = 0
  while (i < host.length && (CHARACTER_CLASSES[host.charCodeAt(i)]! & HOST_NAME) !== 0) i++
  return i
}

function ipv6End(host: string): number {
  let i = 1
  while (i < host.length) {
    const code = host.charCodeAt(i++)
    if (code === 93) return i > 3 ? i : 0
    // Colons between hexadecimal digits, dots of an embedded IPv4 address.
    if (code !== 58 && code !== 46 && (CHARACTER_CLASSES[code]! & HEX_DIGIT) === 0) return 0
  }
  return 0
}
