/** `multipart/form-data` bodies held in memory (RFC 7578, RFC 2046 5.1): parsed into parts and written again. */

export interface MultipartPart {
  /** Of the Content-Disposition; null for a part without one, which is passed on as it came. */
  readonly name: string | null
  /** Header lines as they came, without the final line break. */
  readonly head: string
  readonly value: Buffer
}

/** More parts than any form has; a body of bare delimiters must not become a million objects. */
const partCountMax = 1000

export function multipartBoundary(contentType: string): string | null {
  const match = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)
  return match?.[1] ?? match?.[2] ?? null
}

/** Null when the body is not made of parts with this boundary. */
export function parseMultipart(body: Uint8Array, boundary: string): MultipartPart[] | null {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const delimiter = Buffer.from(`--${boundary}`, 'latin1')
  const parts: MultipartPart[] = []
  let at = bytes.indexOf(delimiter)
  while (at !== -1) {
    const start = at + delimiter.length
    if (bytes.toString('latin1', start, start + 2) === '--') return parts
    const next = bytes.indexOf(delimiter, start)
    const headEnd = bytes.indexOf('\r\n\r\n', start)
    if (next === -1 || headEnd === -1 || headEnd > next || parts.length === partCountMax) return null
    const head = bytes.toString('utf8', start, headEnd).replace(/^\r\n/, '')
    parts.push({ name: partName(head), head, value: bytes.subarray(headEnd + 4, Math.max(headEnd + 4, next - 2)) })
    at = next
  }
  return null
}

export function encodeMultipart(parts: readonly MultipartPart[], boundary: string): Buffer {
  const chunks: Buffer[] = []
  for (const { head, value } of parts) {
    chunks.push(Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`), value, Buffer.from('\r\n'))
  }
  chunks.push(Buffer.from(`--${boundary}--\r\n`))
  return Buffer.concat(chunks)
}

export function simplePart(name: string, value: string): MultipartPart {
  const escaped = name.replace(/["\r\n]/g, c => encodeURIComponent(c))
  return { name, head: `Content-Disposition: form-data; name="${escaped}"`, value: Buffer.from(value) }
}

function partName(head: string): string | null {
  const match = /^content-disposition:[^\r\n]*?[;\s]name="([^"\r\n]*)"/im.exec(head)
  return match?.[1] ?? null
}
