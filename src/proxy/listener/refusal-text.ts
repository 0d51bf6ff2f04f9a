/** The answer to what is no request, and its line in the access log: there is no exchange to build them from. */
import { CONTENT_TYPES, DEFAULT_TEMPLATES, negotiateForm, renderError } from '../error-templates.ts'
import type { Failure } from '../errors.ts'
import { statusText } from '../http/reason-phrases.ts'
import { PRODUCT, type ProxyContext } from '../proxy-context.ts'

export function refusalText(context: ProxyContext, failure: Failure, clientIp: string): string {
  const { settings, requestIds, clock } = context
  const own = settings.responseHeaders
  const id = requestIds.next()
  const form = negotiateForm(settings.errorDefaultType) ?? 'plain'
  const kind = form === 'grpc' ? 'plain' : form
  const body = renderError(settings.errorTemplates[kind] ?? DEFAULT_TEMPLATES[kind], failure.message, id)
  const text =
    `HTTP/1.1 ${statusText(failure.status)}\r\n` +
    `Date: ${new Date(clock.now()).toUTCString()}\r\n` +
    `Content-Type: ${CONTENT_TYPES[kind]}\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
    (own.responseLatency ? 'X-Kong-Response-Latency: 0\r\n' : '') +
    (own.server ? `Server: ${PRODUCT}\r\n` : '') +
    (own.requestId ? `X-Kong-Request-Id: ${id}\r\n` : '') +
    `\r\n${Buffer.from(body).toString('latin1')}`
  context.accessLog?.refused({
    id,
    clientIp,
    status: failure.status,
    bytesSent: text.length,
    bodyBytesSent: Buffer.byteLength(body),
    now: clock.now(),
  })
  return text
}
