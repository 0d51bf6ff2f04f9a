/** A request body as named members, whatever its format, for plugins that look into or change one. */
import type { ClientRequest } from './sdk.ts'
import { encodeMultipart, multipartBoundary, parseMultipart, type MultipartPart } from './multipart.ts'
import {
  argumentCountMax,
  encodeFormArguments,
  formParts,
  parseFormPart,
  parseFormParts,
  type ArgumentValue,
} from './request-arguments.ts'

/** Larger bodies are not looked into: everything here holds the whole body in memory. */
export const inspectedBodyBytesMax = 8 * 1024 * 1024

export type BodyFormat = 'json' | 'form' | 'multipart'

export type BodyArguments =
  | { readonly format: 'json'; readonly members: Record<string, unknown> }
  | {
      readonly format: 'form'
      readonly table: Map<string, ArgumentValue>
      /** Arguments as sent that are not looked at, because there are too many. */
      rest: readonly string[]
    }
  | { readonly format: 'multipart'; readonly boundary: string; readonly parts: MultipartPart[] }

export function bodyFormat(contentType: string | undefined): BodyFormat | null {
  if (contentType === undefined) return null
  const type = contentType.toLowerCase()
  if (type.includes('application/json')) return 'json'
  if (type.includes('multipart/form-data')) return 'multipart'
  if (type.includes('application/x-www-form-urlencoded')) return 'form'
  return null
}

/** Null when the body is of another type, or is not what its type says. */
export function parseBodyArguments(
  contentType: string | undefined,
  body: Uint8Array,
  argumentsMax: (count: number) => number = () => argumentCountMax,
): BodyArguments | null {
  const format = bodyFormat(contentType)
  if (format === 'form') {
    const parts = formParts(Buffer.from(body).toString())
    const end = argumentsMax(parts.length)
    return { format, table: parseFormParts(parts.slice(0, end)), rest: parts.slice(end) }
  }
  if (format === 'json') {
    const members = parseJsonObject(body)
    return members === null ? null : { format, members }
  }
  if (format !== 'multipart') return null
  const boundary = multipartBoundary(contentType!)
  const parts = boundary === null ? null : parseMultipart(body, boundary)
  return parts === null ? null : { format, boundary: boundary!, parts }
}

export async function readBodyArguments(request: ClientRequest): Promise<BodyArguments | null> {
  const contentType = request.header('content-type')
  if (bodyFormat(contentType) === null) return null
  const body = await request.body(inspectedBodyBytesMax)
  return parseBodyArguments(contentType, body, count => request.seenFormArguments(count))
}

/** What a member holds: text, a list when it is repeated (or is a JSON list), undefined otherwise. */
export function findMember(body: BodyArguments, name: string): unknown {
  if (body.format === 'json') return Object.hasOwn(body.members, name) ? body.members[name] : undefined
  if (body.format === 'form') return body.table.get(name)
  const values = body.parts.filter(part => part.name === name).map(part => part.value.toString())
  return values.length > 1 ? values : values[0]
}

export function removeMember(body: BodyArguments, name: string): void {
  if (body.format === 'json') delete body.members[name]
  else if (body.format === 'form') {
    body.table.delete(name)
    body.rest = body.rest.filter(part => parseFormPart(part)[0] !== name)
  } else body.parts.splice(0, body.parts.length, ...body.parts.filter(part => part.name !== name))
}

export function encodeBodyArguments(body: BodyArguments): string | Buffer {
  if (body.format === 'json') return JSON.stringify(body.members)
  if (body.format === 'form')
    return [encodeFormArguments(body.table), ...body.rest].filter(part => part !== '').join('&')
  return encodeMultipart(body.parts, body.boundary)
}

function parseJsonObject(body: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    // The sender's fault, and the upstream's to answer: such a body simply has no members.
    return null
  }
}
