/** All settings as one JSON document, secrets masked: `configuration` in the answer of the Admin API's `/`. */
import { join, resolve } from 'node:path'
import type { ListenAddress } from '../base/listen-address.ts'
import { properties } from './definition.ts'
import { responseHeaders } from './header-tokens.ts'
import { formatEndpoint, formatListen } from './listen-address.ts'
import type { LoadedSettings } from './load.ts'
import type { Property } from './property.ts'

export const MASK = '******'

/** Kong prints these booleans as nginx takes them. */
const NGINX_BOOLEANS: readonly string[] = [
  'nginx_daemon',
  'nginx_main_daemon',
  'real_ip_recursive',
  'nginx_proxy_real_ip_recursive',
  'ssl_prefer_server_ciphers',
  'ssl_session_tickets',
]

/** Types whose parsed form is ours; clients know the text. */
const PRINTED_AS_TEXT: readonly string[] = ['size', 'duration', 'count', 'certificate', 'endpoints']
const PRINTED_AS_LIST: readonly string[] = ['listen', 'port_maps', 'certificates', 'revocation_lists']

export function settingsDocument(loaded: LoadedSettings): Record<string, unknown> {
  const { settings, texts } = loaded
  const document: Record<string, unknown> = {}
  for (const [name, property] of Object.entries(properties)) {
    const target = property.alias_of ?? name
    const value = printed(name, property, settings[target as keyof typeof settings], texts.get(target))
    if (value !== null && value !== undefined) document[name] = value
  }
  // Kong's clients ask for `database` and know `off`; `role` and `storage` keep the user's own spelling.
  document['database'] = settings.storage === 'memory' ? 'off' : settings.storage
  if (texts.has('role')) document['role'] = texts.get('role')
  if (settings.status_listen.length === 0) document['status_listen'] = ['off']
  Object.assign(document, listenerMembers(loaded), folderMembers(settings.prefix))
  document['host_ports'] = Object.fromEntries(settings.port_maps.map(map => [map.internal, map.external]))
  document['enabled_headers'] = enabledHeaders(settings.headers)
  for (const [name, text] of Object.entries(settings.dynamic))
    document[name] = /secret|password|token|key/.test(name) ? MASK : text
  return document
}

/** For `--vv`, in Kong's form: which variables count, then every setting by name; secrets masked. */
export function describeSettings(loaded: LoadedSettings): string[] {
  const document = settingsDocument(loaded)
  const variables = [...loaded.sources].flatMap(([name, source]) => {
    if (source.kind !== 'environment') return []
    const text = properties[name]?.sensitive || document[name] === MASK ? MASK : loaded.texts.get(name)
    return [`${source.variable} ENV found with "${text}"`]
  })
  const names = Object.keys(properties).filter(name => document[name] !== undefined)
  return [...variables.sort(), ...names.sort().map(name => `${name} = ${luaText(document[name])}`)]
}

function luaText(value: unknown): string {
  return Array.isArray(value) ? `{${value.map(item => JSON.stringify(item)).join(', ')}}` : JSON.stringify(value)
}

function printed(name: string, property: Property, value: unknown, text: string | undefined): unknown {
  const shown = text ?? property.default
  if (property.sensitive) return text === undefined ? null : MASK
  if (PRINTED_AS_TEXT.includes(property.type)) return shown
  if (PRINTED_AS_LIST.includes(property.type)) return shown === null ? [] : shown.split(',').map(item => item.trim())
  if (NGINX_BOOLEANS.includes(name)) return value === true ? 'on' : 'off'
  return value
}

/** The same lists as parsed by Kong (`proxy_listeners` and so on), and whether TLS is among them. */
function listenerMembers({ settings }: LoadedSettings): Record<string, unknown> {
  const members: Record<string, unknown> = {}
  for (const name of ['proxy', 'stream', 'admin', 'admin_gui', 'status', 'cluster'] as const) {
    const addresses: readonly ListenAddress[] = settings[`${name}_listen`]
    members[`${name}_listeners`] = addresses.map(address => ({
      listener: formatListen(address),
      ip: formatEndpoint({ host: address.host, port: 0 }).slice(0, -2),
      port: address.port,
      ssl: address.ssl,
      http2: address.http2,
      proxy_protocol: address.proxyProtocol,
      reuseport: address.reuseport,
      ...(address.backlog === null ? {} : { [`backlog=${address.backlog}`]: true }),
    }))
    if (name !== 'cluster') {
      members[`${name === 'stream' ? 'stream_proxy' : name}_ssl_enabled`] = addresses.some(address => address.ssl)
    }
  }
  return members
}

function folderMembers(prefix: string): Record<string, string> {
  const inside = (...path: string[]) => join(resolve(prefix), ...path)
  return {
    nginx_pid: inside('pids', 'nginx.pid'),
    nginx_err_logs: inside('logs', 'error.log'),
    nginx_acc_logs: inside('logs', 'access.log'),
    admin_acc_logs: inside('logs', 'admin_access.log'),
    kong_env: inside('.kong_env'),
    ssl_cert_default: inside('ssl', 'kong-default.crt'),
    ssl_cert_key_default: inside('ssl', 'kong-default.key'),
    ssl_cert_default_ecdsa: inside('ssl', 'kong-default-ecdsa.crt'),
    ssl_cert_key_default_ecdsa: inside('ssl', 'kong-default-ecdsa.key'),
  }
}

function enabledHeaders(tokens: readonly string[]): Record<string, boolean> {
  const on = responseHeaders(tokens)
  const has = (token: string) => tokens[0] !== 'off' && tokens.some(given => given.toLowerCase() === token)
  return {
    server_tokens: has('server_tokens'),
    latency_tokens: has('latency_tokens'),
    Via: on.via,
    Server: on.server,
    'X-Kong-Proxy-Latency': on.proxyLatency,
    'X-Kong-Response-Latency': on.responseLatency,
    'X-Kong-Admin-Latency': on.adminLatency,
    'X-Kong-Upstream-Latency': on.upstreamLatency,
    'X-Kong-Upstream-Status': on.upstreamStatus,
    'X-Kong-Request-Id': on.requestId,
  }
}
