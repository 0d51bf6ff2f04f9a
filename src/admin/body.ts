/** Reading a request body within limits, and telling JSON, forms and YAML apart. */
import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { Busboy } from '@fastify/busboy'
import { argumentsMax, parsePairs } from './arguments.ts'
import type { RequestBody } from './endpoint.ts'
import { message, type Reply } from './reply.ts'

/** No document of ours is a tenth as deep; recursion over a body is bounded by this. */
const jsonDepthMax = 200

export type BodyResult =
  | { readonly ok: true; readonly body: RequestBody }
  | { readonly ok: false; readonly reply: Reply }

const tooLarge: BodyResult = { ok: false, reply: message(413, 'Payload too large') }
const tooMany: BodyResult = { ok: false, reply: message(400, 'Too many arguments') }
const notJson: BodyResult = { ok: false, reply: message(400, 'Cannot parse JSON body') }
/** Kong's answer has no body. */
const unsupported: Reply = { status: 415 }

/** Null when the type can be taken; looked at before the method, as in Kong. */
export function refusedType(request: IncomingMessage, acceptsYaml: boolean): Reply | null {
  if (countHeader(request, 'content-type') > 1) return message(400, 'Multiple Content-Type headers not allowed')
  const type = request.headers['content-type']
  if (type === undefined) return hasBody(request) ? unsupported : null
  const known = kindOf(type)
  return known === null || (known === 'yaml' && !acceptsYaml) ? unsupported : null
}

/** `bytesMax` is `nginx_admin_client_max_body_size`. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<BodyResult> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return tooLarge
  const type = request.headers['content-type']
  const kind = type === undefined ? null : kindOf(type)
  if (type === undefined || kind === null) return { ok: true, body: { kind: 'none' } }
  const bytes = await collect(request, bytesMax)
  if (bytes === null) return tooLarge
  if (kind === 'multipart') return readMultipart(bytes, type)
  const text = bytes.toString('utf8')
  if (kind === 'yaml') return { ok: true, body: { kind: 'yaml', text } }
  if (kind === 'json') return readJson(text)
  const pairs = parsePairs(text)
  return pairs === null ? tooMany : { ok: true, body: { kind: 'form', pairs } }
}

function kindOf(type: string): 'json' | 'form' | 'multipart' | 'yaml' | null {
  if (type.startsWith('application/json')) return 'json'
  if (type.startsWith('application/x-www-form-urlencoded')) return 'form'
  if (type.startsWith('multipart/form-data')) return 'multipart'
  return type.startsWith('application/yaml') || type.startsWith('text/yaml') ? 'yaml' : null
}

function hasBody(request: IncomingMessage): boolean {
  // HTTP/2 has neither of the two headers to go by.
  if (request.httpVersionMajor === 2) return !(request as unknown as Http2ServerRequest).stream.endAfterHeaders
  const length = request.headers['content-length']
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/** Node joins or drops repeated headers; only the raw list tells. */
function countHeader(request: IncomingMessage, name: string): number {
  let count = 0
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    if (request.rawHeaders[i]!.toLowerCase() === name) count++
  }
  return count
}

/** Null when there is more than the limit. A connection that breaks rejects. */
function collect(request: IncomingMessage, bytesMax: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const take = (chunk: Buffer) => {
      size += chunk.length
      if (size <= bytesMax) {
        chunks.push(chunk)
        return
      }
      request.off('data', take)
      resolve(null)
    }
    request.on('data', take)
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('error', reject)
  })
}

function readJson(text: string): BodyResult {
  if (!isShallow(text)) return notJson
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return notJson
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return notJson
  // A member of that name would become the prototype of whatever the body is copied into.
  if (mayNamePrototype(text) && hasPrototypeMember(value)) return notJson
  return { ok: true, body: { kind: 'json', value: value as Record<string, unknown>, text } }
}

/** Looked at before parsing, so that a body of ten million brackets costs no memory. */
function isShallow(text: string): boolean {
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (inString) {
      if (c === 0x5c) i++
      else if (c === 0x22) inString = false
    } else if (c === 0x22) inString = true
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > jsonDepthMax) return false
    } else if (c === 0x7d || c === 0x5d) depth--
  }
  return true
}

const mayNamePrototype = (text: string) => text.includes('__proto__') || text.includes('\\u')

function hasPrototypeMember(value: object): boolean {
  if (Object.hasOwn(value, '__proto__')) return true
  return Object.values(value).some(
    member => member !== null && typeof member === 'object' && hasPrototypeMember(member as object),
  )
}

function readMultipart(bytes: Buffer, type: string): Promise<BodyResult> {
  return new Promise(resolve => {
    const pairs: (readonly [string, string])[] = []
    let parser: InstanceType<typeof Busboy>
    try {
      const limits = { fields: argumentsMax, files: argumentsMax, fieldSize: bytes.length, fileSize: bytes.length }
      parser = new Busboy({ headers: { 'content-type': type }, limits: { ...limits, parts: argumentsMax } })
    } catch {
      // No boundary: Kong reads no arguments from it.
      resolve({ ok: true, body: { kind: 'form', pairs } })
      return
    }
    parser.on('field', (name, value) => pairs.push([name, value]))
    // A part with a file name counts as its content.
    parser.on('file', (name, stream) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => pairs.push([name, Buffer.concat(chunks).toString('utf8')]))
    })
    for (const limit of ['partsLimit', 'fieldsLimit', 'filesLimit'] as const) parser.on(limit, () => resolve(tooMany))
    parser.on('error', () => resolve({ ok: true, body: { kind: 'form', pairs } }))
    parser.on('finish', () => resolve({ ok: true, body: { kind: 'form', pairs } }))
    parser.end(bytes)
  })
}
