/** Answers that the gateway makes itself, and answers whose head plugins have edited. */
import type { Reply } from '../sdk/sdk.ts'
import { FAILURES, type FailureCode } from './errors.ts'
import {
  CONTENT_TYPES,
  DEFAULT_TEMPLATES,
  type ErrorForm,
  escapeMessage,
  negotiateForm,
  renderError,
} from './error-templates.ts'
import type { Exchange } from './exchange.ts'
import { grpcHeaders, isGrpcCall, isGrpcRequest } from './grpc-answer.ts'
import { buildEditedHead, ownList, proxiedList } from './http/answer-head.ts'
import type { HeaderList } from './http/header-list.ts'
import { statusText } from './http/reason-phrases.ts'
import type { ResponseHead } from './http/response-head.ts'

export interface OwnAnswer {
  readonly status: number
  readonly source: 'exit' | 'error'
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

const NOTHING = Buffer.alloc(0)

export function failureAnswer(exchange: Exchange, code: FailureCode): OwnAnswer {
  const { status, message, style } = FAILURES[code]
  const { form, body } = renderMessage(exchange, message, style)
  return { status, source: 'error', headers: contentHeaders(form, status, message), body }
}

export function replyAnswer(exchange: Exchange, reply: Reply): OwnAnswer {
  const { status } = reply
  const extra = Object.entries(reply.headers ?? {}).flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : value).map(one => [name, one] as const),
  )
  const isTyped = extra.some(([name]) => name.toLowerCase() === 'content-type')
  const { body } = reply
  if (!isTyped && isGrpcCall(exchange.head)) {
    return { status, source: 'exit', headers: [...grpcHeaders(status, grpcMessageOf(body)), ...extra], body: NOTHING }
  }
  if (body === undefined) return { status, source: 'exit', headers: extra, body: NOTHING }
  if (reply.negotiate && typeof body === 'object' && 'message' in body) {
    const { form, body: bytes } = renderMessage(exchange, String(body.message), 'gateway')
    const headers = [...contentHeaders(form, status, String(body.message)), ...extra]
    return { status, source: 'exit', headers, body: bytes }
  }
  if (typeof body === 'string') return { status, source: 'exit', headers: extra, body: Buffer.from(body) }
  if (body instanceof Uint8Array) return { status, source: 'exit', headers: extra, body: Buffer.from(body) }
  const headers = isTyped ? extra : [['Content-Type', CONTENT_TYPES.json] as const, ...extra]
  return { status, source: 'exit', headers, body: Buffer.from(JSON.stringify(body)) }
}

/** Bodies that a call cannot get are told in words, if there are any. */
function grpcMessageOf(body: Reply['body']): string | null {
  if (typeof body === 'string') return body
  if (body === undefined || body instanceof Uint8Array) return null
  const { message } = body as { readonly message?: unknown }
  return typeof message === 'string' ? message : null
}

function renderMessage(
  exchange: Exchange,
  message: string,
  style: 'gateway' | 'nginx',
): { form: ErrorForm; body: Buffer } {
  const form = formFor(exchange, style)
  if (form === 'grpc') return { form, body: NOTHING }
  const template = exchange.context.settings.errorTemplates[form] ?? DEFAULT_TEMPLATES[form]
  return { form, body: Buffer.from(renderError(template, escapeMessage(message, form), exchange.id)) }
}

/** proxy.md 7: what the client accepts; failing that, for errors that in Kong are nginx's, what it sent. */
function formFor(exchange: Exchange, style: 'gateway' | 'nginx'): ErrorForm {
  const { head, context } = exchange
  if (style === 'nginx' ? isGrpcRequest(head) : isGrpcCall(head)) return 'grpc'
  const contentType = head.find('content-type')
  const accept = head.find('accept')
  if (style === 'gateway' || accept !== undefined) return negotiateForm(accept ?? '') ?? 'json'
  return negotiateForm(contentType ?? context.settings.errorDefaultType) ?? 'json'
}

function contentHeaders(form: ErrorForm, status: number, message: string): OwnAnswer['headers'] {
  return form === 'grpc' ? grpcHeaders(status, message) : [['Content-Type', CONTENT_TYPES[form]]]
}

/** Sets status and source, and gives the head as a list, edits of earlier phases applied. */
export function buildOwnAnswer(exchange: Exchange, answer: OwnAnswer): HeaderList {
  exchange.status = answer.status
  exchange.source = answer.source
  const list = ownList(exchange)
  for (const [name] of answer.headers) list.remove(name)
  for (const [name, value] of answer.headers) list.add(name, value)
  exchange.statusText = ''
  const edits = exchange.hasHeaderFilter ? exchange.response : exchange.answerEdits
  return edits === null ? list : edits.load(list)
}

/** The upstream's head as a list, edits of earlier phases applied. */
export function loadProxiedAnswer(exchange: Exchange, upstream: ResponseHead, replaced: Uint8Array): HeaderList {
  exchange.statusText = upstream.statusText
  return exchange.response.load(proxiedList(exchange, upstream, replaced))
}

/** The head as text. Filters may have changed the status; the upstream's phrase then no longer fits. */
export function sealAnswer(exchange: Exchange, headers: HeaderList, framing: string): string {
  const { statusText: text, status } = exchange
  const line = text.startsWith(`${status}`) ? text : statusText(status)
  // Upgrade is about this hop, so Connection must name it (RFC 9110 section 7.8); a line of its own, as from nginx.
  const namesUpgrade = headers.get('upgrade') !== undefined
  return buildEditedHead(
    line,
    headers,
    namesUpgrade ? framing.replace(/(?<=Connection: .*\r\n)$/, 'Connection: Upgrade\r\n') : framing,
  )
}

/** Fields of an interim response that may go on to the client. */
export function interimLines(upstream: ResponseHead, replaced: Uint8Array): string {
  let lines = ''
  for (let index = 0; index < upstream.count; index++) {
    if (replaced[upstream.ids[index]!] === 0) lines += `${upstream.nameAt(index)}: ${upstream.valueAt(index)}\r\n`
  }
  return lines
}
