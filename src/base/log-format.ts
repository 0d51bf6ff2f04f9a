/** nginx's `log_format`: a text with variables, and how their values are escaped. */

/** Text as it is, or a variable; `argument` is what follows the name of a family (`http_user_agent`). */
export type LogPart = string | { readonly variable: string; readonly argument: string }

export interface LogFormat {
  readonly escape: 'default' | 'json' | 'none'
  readonly parts: readonly LogPart[]
}

export type LogFormatOutcome =
  | { readonly ok: true; readonly name: string; readonly format: LogFormat }
  | { readonly ok: false; readonly error: string }

export const LOG_VARIABLES = [
  'args',
  'body_bytes_sent',
  'bytes_sent',
  'connection',
  'connection_requests',
  'content_length',
  'content_type',
  'host',
  'hostname',
  'https',
  'is_args',
  'kong_consumer_id',
  'kong_request_id',
  'kong_route_id',
  'kong_route_name',
  'kong_service_id',
  'kong_service_name',
  'msec',
  'pid',
  'query_string',
  'realip_remote_addr',
  'remote_addr',
  'remote_user',
  'request',
  'request_id',
  'request_length',
  'request_method',
  'request_time',
  'request_uri',
  'scheme',
  'server_addr',
  'server_name',
  'server_port',
  'server_protocol',
  'ssl_cipher',
  'ssl_client_verify',
  'ssl_protocol',
  'ssl_server_name',
  'status',
  'time_iso8601',
  'time_local',
  'upstream_addr',
  'upstream_header_time',
  'upstream_response_time',
  'upstream_status',
  'uri',
] as const

/** What follows is the name of a header, an argument or a cookie. */
export const LOG_VARIABLE_FAMILIES = ['http_', 'sent_http_', 'arg_', 'cookie_'] as const

export type LogVariable = (typeof LOG_VARIABLES)[number] | (typeof LOG_VARIABLE_FAMILIES)[number]

/** `null` is Kong's own format, which is built in. */
export const BUILT_IN_FORMATS: Readonly<Record<string, LogFormat | null>> = {
  kong_log_format: null,
  combined: known(
    `combined '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'`,
  ),
  /** For people, as `kong dev` shows it. */
  readable: known(
    "readable '$time_iso8601 $request_method $request_uri $status in $request_time s, '" +
      "'route $kong_route_name, service $kong_service_name, upstream $upstream_addr in $upstream_response_time s'",
  ),
  json: known(
    `json escape=json '{"time":"$time_iso8601","request_id":"$kong_request_id","client_ip":"$remote_addr",' ` +
      `'"method":"$request_method","uri":"$request_uri","protocol":"$server_protocol","host":"$http_host",' ` +
      `'"status":$status,"bytes_sent":$bytes_sent,"body_bytes_sent":$body_bytes_sent,"request_length":$request_length,' ` +
      `'"request_time":$request_time,"upstream_addr":"$upstream_addr","upstream_status":"$upstream_status",' ` +
      `'"upstream_response_time":"$upstream_response_time","route_id":"$kong_route_id","service_id":"$kong_service_id",' ` +
      `'"consumer_id":"$kong_consumer_id","referer":"$http_referer","user_agent":"$http_user_agent"}'`,
  ),
}

/** `name [escape=default|json|none] 'text' 'text' ...`, as it stands behind `log_format`. */
export function parseLogFormat(directive: string): LogFormatOutcome {
  const head = /^\s*([\w-]+)\s+(?:escape=(\S+)\s+)?/.exec(directive)
  if (head === null) return { ok: false, error: 'a name and a text in quotes are needed' }
  const escaping = head[2] ?? 'default'
  if (escaping !== 'default' && escaping !== 'json' && escaping !== 'none') {
    return { ok: false, error: `unknown escaping '${escaping}' (default, json, none)` }
  }
  const text = joinTexts(directive.slice(head[0].length).replace(/;\s*$/, ''))
  if (text === null) return { ok: false, error: 'texts in quotes must follow the name' }
  const parts = splitVariables(text)
  const unknown = parts.find(part => typeof part !== 'string' && !isKnown(part))
  if (unknown !== undefined && typeof unknown !== 'string') {
    return { ok: false, error: `unknown variable '$${unknown.variable}${unknown.argument}'` }
  }
  return { ok: true, name: head[1]!, format: { escape: escaping, parts } }
}

/** Texts in single or double quotes, or one word, as one text; null for anything else. */
function joinTexts(rest: string): string | null {
  const text = /(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s'"]+))\s*/y
  let joined = ''
  let at = 0
  while (at < rest.length) {
    text.lastIndex = at
    const match = text.exec(rest)
    if (match === null) return null
    joined += match[3] ?? (match[1] ?? match[2]!).replace(/\\(['"\\])/g, '$1')
    at = text.lastIndex
  }
  return joined === '' ? null : joined
}

function splitVariables(text: string): LogPart[] {
  const parts: LogPart[] = []
  let end = 0
  for (const match of text.matchAll(/\$(?:\{(\w+)\}|(\w+))/g)) {
    if (match.index > end) parts.push(text.slice(end, match.index))
    parts.push(variableOf((match[1] ?? match[2]!).toLowerCase()))
    end = match.index + match[0].length
  }
  if (end < text.length) parts.push(text.slice(end))
  return parts
}

function variableOf(name: string): Exclude<LogPart, string> {
  const family = LOG_VARIABLE_FAMILIES.find(prefix => name.startsWith(prefix) && name.length > prefix.length)
  return family === undefined
    ? { variable: name, argument: '' }
    : { variable: family, argument: name.slice(family.length) }
}

function isKnown({ variable, argument }: Exclude<LogPart, string>): boolean {
  const names: readonly string[] = argument === '' ? LOG_VARIABLES : LOG_VARIABLE_FAMILIES
  return names.includes(variable)
}

function known(directive: string): LogFormat {
  const parsed = parseLogFormat(directive)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.format
}
