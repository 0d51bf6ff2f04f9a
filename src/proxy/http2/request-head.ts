/**
 * The head of a request that came by HTTP/2 (RFC 9113 section 8), in the form that the whole proxy reads: as HTTP/1.1.
 *
 * Malformed heads are the stream's end, as the RFC asks; what is well formed but refused by every version of HTTP gets
 * the same answer as there.
 */
import { METHOD as METHOD_CHARACTER } from '../http/character-classes.ts'
import { HEAD_TOO_LARGE } from '../http/head-scanner.ts'
import { TrailerSection } from '../http/chunked-decoder.ts'
import { CONTENT_LENGTH, HOST, OTHER } from '../http/header-ids.ts'
import { CHUNKED, RequestHead } from '../http/request-head.ts'
import {
  AUTHORITY,
  COOKIE,
  FORBIDDEN,
  type HeaderField,
  HOST_FIELD,
  isAll,
  METHOD,
  PATH,
  SCHEME,
  STATUS,
} from './header-field.ts'
import type { FieldSink } from './hpack-decoder.ts'

/** What `complete` answers for a malformed head. */
export const MALFORMED = -1

export class Http2RequestHead extends RequestHead implements FieldSink {
  override readonly isHttp2 = true
  readonly #bytesMax: number
  #method = ''
  #scheme = ''
  #authority: string | null = null
  #path = ''
  #isLegalPath = false
  #cookies = ''
  #hasRegular = false
  #fault = ''
  #bytes = 0
  #isTooLarge = false
  #isPathTooLong = false
  #hostDiffers = false

  /** Of fields, of bytes of all, and of one of them. */
  constructor(fieldsMax: number, bytesMax: number, lineBytesMax: number) {
    super(fieldsMax, lineBytesMax)
    this.#bytesMax = bytesMax
  }

  /** Before the first field of each request. */
  begin(): void {
    this.clearFields()
    this.text = ''
    this.reason = ''
    this.#method = this.#scheme = this.#path = this.#cookies = this.#fault = ''
    this.#authority = null
    this.#hasRegular = this.#isTooLarge = this.#isPathTooLong = this.#hostDiffers = false
    this.#bytes = 0
  }

  field(field: HeaderField): void {
    const { kind } = field
    this.#bytes += field.name.length + field.value.length
    const isLong = field.line.length > this.lineBytesMax
    if (isLong && kind === PATH) this.#isPathTooLong = true
    else if (isLong || this.#bytes > this.#bytesMax) this.#isTooLarge = true
    if (this.#isTooLarge) return
    if (kind === FORBIDDEN || kind === STATUS) this.#malformed(`field ${JSON.stringify(field.name)} may not be sent`)
    else if (kind >= METHOD && kind <= PATH) this.#pseudo(field)
    else {
      if (!this.#hasRegular) this.#beginLines()
      if (kind === COOKIE) this.#cookies = this.#cookies === '' ? field.value : `${this.#cookies}; ${field.value}`
      else if (kind === HOST_FIELD && this.#authority !== null) this.#hostDiffers ||= field.value !== this.#authority
      else this.#add(field.name.length, field.value.length, field.id, field.line)
    }
  }

  #malformed(reason: string): void {
    if (this.#fault === '') this.#fault = reason
  }

  #pseudo(field: HeaderField): void {
    const { kind, name, value } = field
    if (this.#hasRegular) return this.#malformed('pseudo-header field after others')
    const before =
      kind === METHOD ? this.#method : kind === SCHEME ? this.#scheme : kind === PATH ? this.#path : this.#authority
    if (before !== '' && before !== null) return this.#malformed(`${name} twice`)
    if (kind === AUTHORITY) this.#authority = value
    else if (value === '') this.#malformed(`empty ${name}`)
    else if (kind === METHOD) this.#method = value
    else if (kind === SCHEME) this.#scheme = value
    else {
      this.#path = value
      this.#isLegalPath = field.isLegalPath
      this.isPlain = field.isPlainPath
    }
  }

  /** The request line is known once the first other field comes. */
  #beginLines(): void {
    this.#hasRegular = true
    this.methodEnd = this.#method.length
    this.targetEnd = this.methodEnd + 1 + this.#path.length
    this.text = `${this.#method} ${this.#path} HTTP/2.0\r\n`
    const authority = this.#authority
    if (authority !== null && authority !== '') this.#add(4, authority.length, HOST, `host: ${authority}\r\n`)
  }

  #add(nameLength: number, valueLength: number, id: number, line: string): void {
    if (this.noteField(this.text.length, nameLength, valueLength, id)) this.text += line
    else this.#isTooLarge = true
  }

  /** Of a refused head; see `forget`. */
  forgetFields(): void {
    this.forget(this.#method, this.#isPathTooLong || !this.#isLegalPath ? '' : this.#path)
  }

  /** The block has ended. 0, MALFORMED, or the negated status of a refusal. */
  complete(isEnd: boolean): number {
    if (!this.#hasRegular) this.#beginLines()
    if (this.#cookies !== '') this.#add(6, this.#cookies.length, OTHER, `cookie: ${this.#cookies}\r\n`)
    this.text += '\r\n'
    if (this.#isPathTooLong) return this.refuse(414, 'path too long')
    if (this.#isTooLarge) return this.refuse(HEAD_TOO_LARGE, 'too many or too large header fields')
    if (this.#fault === '') this.#checkPseudo()
    if (this.#fault !== '') {
      this.reason = this.#fault
      return MALFORMED
    }
    if (!this.#hasLegalLine()) return this.refuse(400, 'illegal method or path')
    if (this.#hostDiffers) return this.refuse(400, ':authority and host differ')
    const fault = this.check()
    return fault === 0 ? this.#checkBody(isEnd) : fault
  }

  #checkPseudo(): void {
    if (this.#method === 'CONNECT') return
    if (this.#method === '' || this.#scheme === '' || this.#path === '') this.#malformed('pseudo-header field missing')
  }

  #hasLegalLine(): boolean {
    if (this.#method === 'CONNECT') return true
    return this.#isLegalPath && (this.#method === 'GET' || isAll(this.#method, METHOD_CHARACTER))
  }

  /** Length is told by the stream's end; what Content-Length says must agree (section 8.1.1). */
  #checkBody(isEnd: boolean): number {
    if (isEnd && this.bodyLength > 0) {
      this.reason = 'Content-Length without body'
      return MALFORMED
    }
    if (!isEnd && this.bodyLength === 0 && !this.has(CONTENT_LENGTH)) this.bodyLength = CHUNKED
    return 0
  }
}

/** Fields after the body; they must not decide what has been decided by the head. */
export class Http2Trailers extends TrailerSection implements FieldSink {
  isMalformed = false

  field({ kind, name, value, id, line }: HeaderField): void {
    if (kind !== 0 || !this.noteField(this.text.length, name.length, value.length, id)) this.isMalformed = true
    else this.text += line
  }
}
