/** The head of an upstream's answer that came by HTTP/2, in the form that the whole proxy reads: as HTTP/1.1. */
import { CONTENT_LENGTH } from '../http/header-ids.ts'
import { statusText } from '../http/reason-phrases.ts'
import { CHUNKED, parseContentLength } from '../http/request-head.ts'
import { ResponseHead } from '../http/response-head.ts'
import { COOKIE, type HeaderField, HOST_FIELD, REGULAR, STATUS } from './header-field.ts'
import type { FieldSink } from './hpack-decoder.ts'

export class Http2ResponseHead extends ResponseHead implements FieldSink {
  readonly #bytesMax: number
  #fault = ''
  #bytes = 0

  constructor(fieldsMax: number, bytesMax: number) {
    super(fieldsMax)
    this.#bytesMax = bytesMax
  }

  begin(): void {
    this.clearFields()
    this.text = ''
    this.status = 0
    this.#fault = ''
    this.#bytes = 0
  }

  field({ kind, name, value, id, line }: HeaderField): void {
    this.#bytes += line.length
    if (this.#bytes > this.#bytesMax) this.#fault ||= 'response head too large'
    if (this.#fault !== '') return
    if (kind === STATUS && this.status === 0 && /^[1-5]\d\d$/.test(value)) {
      this.status = Number(value)
      this.text = `HTTP/1.1 ${statusText(this.status)}\r\n`
      this.reasonEnd = this.text.length - 2
    } else if (this.status === 0 || (kind !== REGULAR && kind !== COOKIE && kind !== HOST_FIELD)) {
      this.#fault = `malformed field ${JSON.stringify(name)}`
    } else if (this.noteField(this.text.length, name.length, value.length, id)) this.text += line
    else this.#fault = 'too many headers'
  }

  /** The block has ended. '', or why it is no head. */
  complete(isHeadRequest: boolean): string {
    if (this.#fault !== '') return this.#fault
    // Switching protocols is nothing that HTTP/2 knows (RFC 9113 section 8.6).
    if (this.status === 0 || this.status === 101) return 'no status'
    this.text += '\r\n'
    this.bodyLength = CHUNKED
    if (this.has(CONTENT_LENGTH)) {
      this.bodyLength = this.isRepeated(CONTENT_LENGTH) ? -1 : parseContentLength(this.known(CONTENT_LENGTH))
      if (this.bodyLength < 0) return 'invalid Content-Length'
    }
    if (isHeadRequest || this.status < 200 || this.status === 204 || this.status === 304) this.bodyLength = 0
    return ''
  }
}
