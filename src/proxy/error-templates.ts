/** Bodies of the gateway's own error answers, in the form that the client prefers (proxy.md 7). */

export type ErrorForm = 'html' | 'json' | 'xml' | 'plain' | 'grpc'

export type ErrorTemplates = Readonly<Record<Exclude<ErrorForm, 'grpc'>, string>>

/** `%s` stands for the message, then for the request id. */
export const DEFAULT_TEMPLATES: ErrorTemplates = {
  html: `<!doctype html>
<html>
  <head>
    <meta charset="utf-8">
    <title>Error</title>
  </head>
  <body>
    <h1>Error</h1>
    <p>%s.</p>
    <p>request_id: %s</p>
  </body>
</html>
`,
  json: `{
  "message":"%s",
  "request_id":"%s"
}`,
  xml: `<?xml version="1.0" encoding="UTF-8"?>
<error>
  <message>%s</message>
  <requestid>%s</requestid>
</error>`,
  plain: '%s\nrequest_id: %s\n',
}

export const CONTENT_TYPES: Readonly<Record<ErrorForm, string>> = {
  html: 'text/html; charset=utf-8',
  json: 'application/json; charset=utf-8',
  xml: 'application/xml; charset=utf-8',
  plain: 'text/plain; charset=utf-8',
  grpc: 'application/grpc',
}

const FORMS: Readonly<Record<string, ErrorForm>> = {
  'text/html': 'html',
  'text/plain': 'plain',
  'text/*': 'plain',
  'application/json': 'json',
  'application/*': 'json',
  '*/*': 'json',
  'application/xml': 'xml',
}

/** Members of an Accept header that are looked at; more are nobody's real wish. */
const ACCEPT_MEMBERS_MAX = 32

/** The form that an Accept or Content-Type header asks for, or null if it names none that we have. */
export function negotiateForm(header: string): ErrorForm | null {
  let best: ErrorForm | null = null
  let bestQuality = 0
  for (const member of header.split(',', ACCEPT_MEMBERS_MAX)) {
    const [type, ...parameters] = member.split(';')
    const form = FORMS[type!.trim().toLowerCase()]
    if (form === undefined) continue
    const quality = qualityOf(parameters)
    if (quality > bestQuality) {
      best = form
      bestQuality = quality
    }
  }
  return best
}

function qualityOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const [name, value] = parameter.split('=')
    if (name!.trim().toLowerCase() !== 'q' || value === undefined) continue
    const quality = Number(value.trim())
    return Number.isFinite(quality) ? quality : 0
  }
  return 1
}

/** Fills a template. Function replacers, since `$` in a message must not be taken for a pattern. */
export function renderError(template: string, message: string, requestId: string): string {
  const values = [message, requestId]
  let used = 0
  return template.replace(/%s/g, () => values[used++] ?? '')
}

/** Escapes a message for the form it is put into; messages may contain parts of the request. */
export function escapeMessage(message: string, form: ErrorForm): string {
  if (form === 'json') return JSON.stringify(message).slice(1, -1)
  if (form !== 'html' && form !== 'xml') return message
  return message.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}

const GRPC_STATUS: Readonly<Record<number, number>> = {
  200: 0,
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  409: 6,
  429: 8,
  499: 1,
  500: 13,
  501: 12,
  503: 14,
  504: 4,
}

export function grpcStatusOf(status: number): number {
  const exact = GRPC_STATUS[status]
  if (exact !== undefined) return exact
  if (status >= 500) return 13
  if (status >= 400) return 3
  return status >= 200 && status < 300 ? 0 : 2
}
