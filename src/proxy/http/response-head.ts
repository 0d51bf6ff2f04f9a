/** The head of an upstream's response, checked as strictly as a request: what is ambiguous becomes a 502. */
import { CHARACTER_CLASSES, DIGIT, FIELD_VALUE } from './character-classes.ts'
import { CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING } from './header-ids.ts'
import { HeadScanner, listHas, NEED_MORE, type ScanResult } from './head-scanner.ts'
import { CHUNKED, parseContentLength } from './request-head.ts'

const CR = 13
const LF = 10
const SPACE = 32

/** Length of a body that ends when the upstream closes. */
export const UNTIL_CLOSE = -2

export class ResponseHead extends HeadScanner {
  status = 0
  minor: 0 | 1 = 1
  /** Bytes of the body, CHUNKED or UNTIL_CLOSE. 0 for responses that never have one. */
  bodyLength = 0
  keepAlive = true
  protected reasonEnd = 0

  /** Returns the position after the head, NEED_MORE, or a refusal. */
  parse(bytes: Buffer, from: number, to: number, isHeadRequest: boolean): ScanResult {
    const lineEnd = this.#scanStatusLine(bytes, from, to)
    if (lineEnd <= 0) return lineEnd
    const end = this.scanFields(bytes, lineEnd, to, from)
    if (end <= 0) return end
    const fault = this.#checkFraming(isHeadRequest)
    return fault === 0 ? end : fault
  }

  /** Status code and reason phrase as sent, `200 OK`. */
  get statusText(): string {
    return this.text.slice(9, this.reasonEnd)
  }

  #scanStatusLine(bytes: Uint8Array, start: number, to: number): ScanResult {
    const classes = CHARACTER_CLASSES
    for (let i = 0; i < 12 && start + i < to; i++) {
      const byte = bytes[start + i]!
      const fits = i < 7 ? byte === 'HTTP/1.'.charCodeAt(i) : i === 8 ? byte === SPACE : (classes[byte]! & DIGIT) !== 0
      if (!fits) return this.refuse(502, 'malformed status line')
    }
    if (start + 13 > to) return NEED_MORE
    const minor = bytes[start + 7]! - 48
    if (minor > 1) return this.refuse(502, 'unsupported protocol version')
    this.minor = minor === 0 ? 0 : 1
    this.status = (bytes[start + 9]! - 48) * 100 + (bytes[start + 10]! - 48) * 10 + bytes[start + 11]! - 48
    if (this.status < 100 || this.status > 599) return this.refuse(502, 'status code out of range')
    let i = start + 12
    // The space after the code may be missing when there is no reason phrase; servers in use do so.
    if (bytes[i] !== SPACE && bytes[i] !== CR) return this.refuse(502, 'malformed status line')
    while (i < to && (classes[bytes[i]!]! & FIELD_VALUE) !== 0) i++
    if (i + 1 >= to) return i >= to || bytes[i] === CR ? NEED_MORE : this.refuse(502, 'malformed status line')
    if (bytes[i] !== CR || bytes[i + 1] !== LF) return this.refuse(502, 'illegal character in reason phrase')
    this.reasonEnd = i - start
    return i + 2
  }

  #checkFraming(isHeadRequest: boolean): ScanResult {
    const options = this.has(CONNECTION) ? this.knownList(CONNECTION) : ''
    this.keepAlive = this.minor === 1 ? !listHas(options, 'close') : listHas(options, 'keep-alive')
    this.bodyLength = UNTIL_CLOSE
    if (this.has(TRANSFER_ENCODING)) {
      if (this.minor === 0) return this.refuse(502, 'Transfer-Encoding in HTTP/1.0')
      if (this.has(CONTENT_LENGTH)) return this.refuse(502, 'both Transfer-Encoding and Content-Length')
      if (this.isRepeated(TRANSFER_ENCODING)) return this.refuse(502, 'more than one Transfer-Encoding header')
      if (this.known(TRANSFER_ENCODING).toLowerCase() !== 'chunked') return this.refuse(502, 'unknown transfer coding')
      this.bodyLength = CHUNKED
    } else if (this.has(CONTENT_LENGTH)) {
      if (this.isRepeated(CONTENT_LENGTH)) return this.refuse(502, 'more than one Content-Length header')
      this.bodyLength = parseContentLength(this.known(CONTENT_LENGTH))
      if (this.bodyLength < 0) return this.refuse(502, 'invalid Content-Length')
    }
    // RFC 9112 section 6.3: these never have a body, whatever their header fields say.
    if (isHeadRequest || this.status < 200 || this.status === 204 || this.status === 304) this.bodyLength = 0
    return 0
  }
}
