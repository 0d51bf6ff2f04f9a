/** Answers requests itself, instead of proxying them. */
import { parseBodyArguments } from '../sdk/body-arguments.ts'
import { queryTable } from '../sdk/request-arguments.ts'
import { definePlugin, field, typedefs } from '../sdk/sdk.ts'
import type { ClientRequest, Reply, RequestPhase } from '../sdk/sdk.ts'

/** Kong's texts for a status without a configured message; other statuses have an empty body. */
const defaultMessages: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  404: 'Not found',
  405: 'Method not allowed',
  500: 'An unexpected error occurred',
  502: 'Bad Gateway',
  503: 'Service unavailable',
}

/** An echo is for debugging; a larger body would only be held in memory to be sent back. */
const echoedBodyBytesMax = 1024 * 1024

export default definePlugin({
  name: 'request-termination',
  priority: 2,
  protocols: typedefs.HTTP_PROTOCOLS,
  scopes: ['service', 'route', 'consumer'],
  docs: {
    summary: 'Answer requests with a fixed response.',
    details:
      'Runs after authentication and traffic control, so that only admitted requests get the answer. With `trigger`, ' +
      'only requests that carry the header or query argument of that name are answered. `echo` sends a description ' +
      'of the request back.',
    example: { status_code: 403, message: 'So long and thanks for all the fish!' },
  },
  config: {
    status_code: field.integer({
      required: true,
      default: 503,
      between: [100, 599],
      description: 'Status of the answer.',
    }),
    message: field.string({ description: 'Message of the JSON answer.' }),
    content_type: field.string({ description: 'Content type of `body`.' }),
    body: field.string({ description: 'Body of the answer as it is, instead of a JSON message.' }),
    echo: field.boolean({
      required: true,
      default: false,
      description: 'Answer with a JSON description of the request.',
    }),
    trigger: field.extend(field.headerName(), {
      description: 'Answer only requests with a header or query argument of this name.',
    }),
  },
  config_validator({ message, content_type, body, echo }) {
    if (message && (content_type || body)) return 'message cannot be used with content_type or body'
    if (content_type && !body) return 'content_type requires a body'
    if (echo && (content_type || body)) return 'echo cannot be used with content_type and body'
    return null
  },

  prepare({ status_code: status, message, content_type, body, echo, trigger }, tools) {
    const text = message ?? defaultMessages[status]

    function isTriggered({ request }: RequestPhase): boolean {
      if (trigger === null) return true
      return request.header(trigger) !== undefined || request.query(trigger) !== undefined
    }

    async function echoRequest(exchange: RequestPhase): Promise<Reply> {
      const { id, hostname } = tools.node
      const request = await describe(exchange.request)
      const { route: matched_route, service: matched_service } = exchange
      const kong = { node_id: id, worker_pid: process.pid, hostname }
      return { status, body: { message: text, kong, request, matched_route, matched_service } }
    }

    return {
      access(exchange) {
        if (!isTriggered(exchange)) return
        if (echo) return echoRequest(exchange)
        if (body !== null)
          return { status, body, headers: content_type === null ? {} : { 'Content-Type': content_type } }
        return text === undefined ? { status } : { status, body: { message: text } }
      },
    }
  },
})

async function describe(request: ClientRequest): Promise<object> {
  const bytes = await request.body(echoedBodyBytesMax)
  const parsed = parseBodyArguments(request.header('content-type'), bytes)
  const named = Object.entries(request.uriCaptures).filter(([name]) => !/^\d+$/.test(name))
  // As JSON, Kong's list begins with the first group: the whole match, 0, is not in it.
  const unnamed = Object.entries(request.uriCaptures).filter(([name]) => /^[1-9]\d*$/.test(name))
  return {
    scheme: request.scheme,
    host: request.host,
    port: request.port,
    headers: request.headers(),
    query: Object.fromEntries(queryTable(request)),
    body: parsed === null ? undefined : membersOf(parsed),
    raw_body: Buffer.from(bytes).toString(),
    method: request.method,
    path: request.path,
    uri_captures: { named: Object.fromEntries(named), unnamed: unnamed.map(([, value]) => value) },
  }
}

function membersOf(body: NonNullable<ReturnType<typeof parseBodyArguments>>): object {
  if (body.format === 'json') return body.members
  if (body.format === 'form') return Object.fromEntries(body.table)
  return Object.fromEntries(body.parts.map(part => [part.name ?? '', part.value.toString()]))
}
