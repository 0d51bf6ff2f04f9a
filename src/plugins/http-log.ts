/** Sends a JSON entry for every request to an HTTP server. */
import { createHash } from 'node:crypto'
import type { QueueSettings } from '../sdk/batch-queue.ts'
import type { HttpSender } from '../sdk/http-sender.ts'
import { compileLogFields } from '../sdk/log-fields.ts'
import { definePlugin, field, typedefs } from '../sdk/sdk.ts'

const forbiddenHeaders = [
  { pattern: '^[Hh][Oo][Ss][Tt]$', err: "cannot contain 'Host' header" },
  {
    pattern: '^[Cc][Oo][Nn][Tt][Ee][Nn][Tt]%-[Ll][Ee][nn][Gg][Tt][Hh]$',
    err: "cannot contain 'Content-Length' header",
  },
  { pattern: '^[Cc][Oo][Nn][Tt][Ee][Nn][Tt]%-[Tt][Yy][Pp][Ee]$', err: "cannot contain 'Content-Type' header" },
]
const old = (message: string, old_default: number) => ({ message, removal_in_version: '4.0', old_default })

export default definePlugin({
  name: 'http-log',
  priority: 12,
  protocols: typedefs.PROTOCOLS,
  protocols_default: typedefs.HTTP_PROTOCOLS,
  scopes: ['service', 'route', 'consumer'],
  docs: {
    summary: 'Send request and response logs to an HTTP server.',
    details:
      'Entries wait in a queue that instances with the same server share. A body is one object, or with ' +
      '`queue.max_batch_size` above 1 a list. An answer below 300 is success; anything else is tried again, with ' +
      'growing delays, for `queue.max_retry_time` seconds. The certificate of the server is not verified. Values of ' +
      '`custom_fields_by_lua` may be `return` with nothing, a literal, or `kong.request.get_header("name")`.',
    example: { http_endpoint: 'https://logs.example.com/requests', queue: { max_batch_size: 100 } },
  },
  config: {
    http_endpoint: typedefs.url({
      required: true,
      encrypted: true,
      referenceable: true,
      description: 'Where entries are sent; user information in it becomes basic authentication.',
    }),
    method: field.string({ default: 'POST', one_of: ['POST', 'PUT', 'PATCH'], description: 'Method of the requests.' }),
    content_type: field.string({
      default: 'application/json',
      one_of: ['application/json', 'application/json; charset=utf-8'],
      description: 'Content type of the requests.',
    }),
    timeout: field.number({ default: 10000, description: 'Milliseconds without progress until a request fails.' }),
    keepalive: field.number({ default: 60000, description: 'Milliseconds for which an idle connection is kept.' }),
    retry_count: field.integer({
      description: 'Without effect; see `queue.max_retry_time`.',
      deprecation: old(
        'http-log: config.retry_count no longer works, please use config.queue.max_retry_time instead',
        10,
      ),
    }),
    queue_size: field.integer({
      description: 'Old name of `queue.max_batch_size`.',
      deprecation: old('http-log: config.queue_size is deprecated, please use config.queue.max_batch_size instead', 1),
    }),
    flush_timeout: field.number({
      description: 'Old name of `queue.max_coalescing_delay`.',
      deprecation: old(
        'http-log: config.flush_timeout is deprecated, please use config.queue.max_coalescing_delay instead',
        2,
      ),
    }),
    headers: field.map(
      field.extend(field.headerName(), { match_none: forbiddenHeaders }),
      field.string({ referenceable: true }),
      { description: 'Further headers of the requests.' },
    ),
    queue: typedefs.queue(),
    custom_fields_by_lua: field.map(field.string({ len_min: 1 }), field.string({ len_min: 1 }), {
      description: 'Members to set in the entry, or to remove from it.',
    }),
  },
  config_validator({ http_endpoint, headers, custom_fields_by_lua }) {
    const names = Object.keys(headers ?? {}).map(name => name.toLowerCase())
    if (names.includes('authorization') && URL.parse(http_endpoint)?.username) {
      return "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed"
    }
    const fields = compileLogFields(custom_fields_by_lua)
    return fields.ok ? null : fields.error
  },

  prepare(config, tools) {
    const fields = compileLogFields(config.custom_fields_by_lua)
    if (!fields.ok) throw new Error(fields.error)
    const settings = queueSettings(config)
    const deliver = createDelivery(config, tools.send, settings.max_batch_size)
    const queue = queueName(config)
    return {
      log(exchange) {
        for (const set of fields.setters) set(exchange)
        tools.queues.enqueue(queue, settings, deliver, JSON.stringify(exchange.serialize()))
      },
      streamLog(session) {
        for (const set of fields.setters) set(session)
        tools.queues.enqueue(queue, settings, deliver, JSON.stringify(session.serialize()))
      },
    }
  },
})

interface Endpoint {
  readonly http_endpoint: string
  readonly method: string | null
  readonly content_type: string | null
  readonly timeout: number | null
  readonly keepalive: number | null
  readonly headers: Readonly<Record<string, string>> | null
}

function createDelivery(config: Endpoint, send: HttpSender, batchSize: number) {
  const url = new URL(config.http_endpoint)
  const { username, password, hostname } = url
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  // Kong sends neither user information nor query as part of the URL.
  url.username = url.password = url.search = url.hash = ''
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const headers = {
    ...config.headers,
    'Content-Type': config.content_type ?? 'application/json',
    ...(username === '' ? {} : { Authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
  }
  const request = {
    url,
    method: config.method ?? 'POST',
    timeoutMs: config.timeout ?? 10_000,
    keepaliveMs: config.keepalive ?? 60_000,
    verifyTls: false,
  }
  return async (entries: readonly string[]): Promise<void> => {
    const body = batchSize === 1 ? entries[0]! : `[${entries.join(',')}]`
    const length = { 'Content-Length': String(Buffer.byteLength(body)) }
    const { status, body: answer } = await send({ ...request, body, headers: { ...headers, ...length } })
    if (status < 300) return
    throw new Error(`request to ${hostname}:${port} returned status code ${status} and body ${answer}`)
  }
}

/** The deprecated fields still work where they differ from their old defaults. */
function queueSettings(config: {
  readonly queue: { readonly [Name in keyof QueueSettings]: QueueSettings[Name] | null }
  readonly queue_size: number | null
  readonly flush_timeout: number | null
}): QueueSettings {
  const { queue, queue_size, flush_timeout } = config
  const oldSize = queue_size === null || queue_size === 1 ? null : queue_size
  const oldDelay = flush_timeout === null || flush_timeout === 2 ? null : flush_timeout
  return {
    max_batch_size: oldSize ?? queue.max_batch_size ?? 1,
    max_coalescing_delay: oldDelay ?? queue.max_coalescing_delay ?? 1,
    max_entries: queue.max_entries ?? 10_000,
    max_bytes: queue.max_bytes,
    max_retry_time: queue.max_retry_time ?? 60,
    initial_retry_delay: queue.initial_retry_delay ?? 0.01,
    max_retry_delay: queue.max_retry_delay ?? 60,
    concurrency_limit: queue.concurrency_limit ?? 1,
  }
}

/** Instances with equal settings share a queue. Its name is written to the log, so it must hold no secret. */
function queueName(config: { readonly http_endpoint: string }): string {
  const { protocol, host, pathname } = new URL(config.http_endpoint)
  const digest = createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 12)
  return `http-log ${protocol}//${host}${pathname} ${digest}`
}
