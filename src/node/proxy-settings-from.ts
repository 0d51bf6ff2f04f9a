/** kong.conf as the proxy wants it: what `proxy/` needs of the settings, parsed and with its defaults. */
import { createPrivateKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProxySettings, UpstreamTrust } from '../proxy/proxy-settings.ts'
import type { Settings } from '../settings/definition.ts'
import { readKeyMaterial } from '../settings/key-material.ts'
import { systemFiles } from '../settings/settings-files.ts'
import { accessLogFormat } from '../settings/log-formats.ts'
import { parseAddedHeader } from '../settings/added-header.ts'
import { parseHeaderBuffers } from '../settings/header-buffers.ts'
import { responseHeaders, upstreamRequestId } from '../settings/header-tokens.ts'
import { tlsProfile } from '../settings/tls-profile.ts'

const HEADER_BUFFERS_DEFAULT = { count: 4, bytes: 8 * 1024 }
/** Bodies up to this size go out whole and can be sent again to another peer; nginx has its disk for that. */
const HELD_BODY_BYTES_MIN = 64 * 1024
/** Listeners, logs, channels and the runtime's own. */
const OWN_FILES = 128
const LIMITS_FILE = '/proc/self/limits'
/** More headers than any client of good will sends; a head is bounded by its bytes anyway. */
const HEADER_COUNT_MAX = 1000
/** Bodies that a plugin wants to see whole. */
const BUFFERED_BODY_BYTES_MAX = 64 * 1024 * 1024

export function proxySettingsFrom(
  settings: Settings,
  accessLog: ProxySettings['accessLog'],
  streamAccessLog: ProxySettings['streamAccessLog'] = null,
): ProxySettings {
  const format = accessLogFormat(settings)
  return {
    listeners: settings.proxy_listen,
    responseHeaders: responseHeaders(settings.headers),
    addedHeaders: addedHeaders(settings),
    upstreamRequestId: upstreamRequestId(settings.headers_upstream),
    allowDebugHeader: settings.allow_debug_header,
    trustedIps: settings.trusted_ips,
    realIpHeader: settings.real_ip_header,
    realIpRecursive: settings.real_ip_recursive,
    portMaps: new Map((settings.port_maps ?? []).map(map => [map.internal, map.external])),
    keepalive: {
      poolSize: settings.upstream_keepalive_pool_size,
      requestsMax: settings.upstream_keepalive_max_requests,
      idleTimeoutS: settings.upstream_keepalive_idle_timeout,
    },
    client: clientLimits(settings),
    seen: {
      requestHeadersMax: settings.lua_max_req_headers,
      responseHeadersMax: settings.lua_max_resp_headers,
      queryArgumentsMax: settings.lua_max_uri_args,
      formArgumentsMax: settings.lua_max_post_args,
    },
    bodyFolder: join(settings.prefix, 'client_body_temp'),
    connectionsMax: connectionsMax(settings.nginx_events_worker_connections),
    charset: settings.nginx_http_charset === 'off' ? null : settings.nginx_http_charset,
    errorDefaultType: settings.error_default_type,
    errorTemplates: errorTemplates(settings),
    tls: tlsSettings(settings),
    dns: dnsFrom(settings),
    accessLogFormat: format.ok ? format.format : null,
    accessLog,
    streamAccessLog,
  }
}

/** As in nginx, those of the inner block replace those of the outer one. */
function addedHeaders({ dynamic }: Settings): ProxySettings['addedHeaders'] {
  const text = dynamic['nginx_proxy_add_header'] ?? dynamic['nginx_http_add_header']
  const parsed = text === undefined ? null : parseAddedHeader(text)
  return parsed === null ? [] : [parsed]
}

function clientLimits(settings: Settings): ProxySettings['client'] {
  return {
    ...headLimits(settings.nginx_http_large_client_header_buffers),
    headerCountMax: HEADER_COUNT_MAX,
    bodyBytesMax: settings.nginx_http_client_max_body_size,
    heldBodyBytesMax: Math.max(HELD_BODY_BYTES_MIN, settings.client_body_buffer_size),
    // nginx's 0 means that no connection is kept.
    keepaliveRequestsMax: settings.nginx_http_keepalive_timeout === 0 ? 1 : settings.nginx_http_keepalive_requests,
    keepaliveTimeoutMs: settings.nginx_http_keepalive_timeout * 1000,
    headTimeoutMs: settings.nginx_http_client_header_timeout * 1000,
    bodyTimeoutMs: settings.nginx_http_client_body_timeout * 1000,
    sendTimeoutMs: settings.nginx_http_send_timeout * 1000,
    bufferedBodyBytesMax: BUFFERED_BODY_BYTES_MAX,
  }
}

/** `4 8k`: number and size of nginx's buffers. A line has to fit into one of them. */
function headLimits(buffers: string): Pick<ProxySettings['client'], 'headBytesMax' | 'lineBytesMax'> {
  const { count, bytes } = parseHeaderBuffers(buffers) ?? HEADER_BUFFERS_DEFAULT
  return { headBytesMax: count * bytes, lineBytesMax: bytes }
}

/** Half of the open files that a worker may have, since a request takes a client's and an upstream's, less its own. */
function connectionsMax(given: number | 'auto'): number {
  if (given !== 'auto') return given
  const soft = Number(/^Max open files +(\d+)/m.exec(readLimits())?.[1] ?? 0)
  return soft === 0 ? 0 : Math.max(1, Math.floor((soft - Math.min(OWN_FILES, soft / 2)) / 2))
}

/** Empty where there is no /proc: then nothing is known of a limit. */
function readLimits(): string {
  return existsSync(LIMITS_FILE) ? readFileSync(LIMITS_FILE, 'utf8') : ''
}

function errorTemplates(settings: Settings): ProxySettings['errorTemplates'] {
  const given = {
    html: settings.error_template_html,
    json: settings.error_template_json,
    xml: settings.error_template_xml,
    plain: settings.error_template_plain,
  }
  const read = Object.entries(given).filter(([, path]) => path !== null)
  return Object.fromEntries(read.map(([kind, path]) => [kind, readFileSync(path!, 'utf8')]))
}

function tlsSettings(settings: Settings): ProxySettings['tls'] {
  const { client_ssl, client_ssl_cert, client_ssl_cert_key } = settings
  const hasClientCertificate = client_ssl && client_ssl_cert !== null && client_ssl_cert_key !== null
  return {
    ...tlsProfile(settings),
    defaultCertificates: listenerCertificates(settings, 'proxy'),
    sessionTimeoutS: settings.ssl_session_timeout,
    sessionTickets: settings.ssl_session_tickets,
    clientCertificate: hasClientCertificate ? { cert: client_ssl_cert, key: client_ssl_cert_key } : null,
    trustedCertificates: trustedCertificates(settings.lua_ssl_trusted_certificate),
    upstreams: { http: upstreamTrust(settings, 'nginx_proxy'), stream: upstreamTrust(settings, 'nginx_sproxy') },
  }
}

const CERTIFICATE_SETTINGS = {
  proxy: { given: 'ssl', made: ['kong-default', 'kong-default-ecdsa'] },
  admin: { given: 'admin_ssl', made: ['admin-kong-default', 'admin-kong-default-ecdsa'] },
  status: { given: 'status_ssl', made: ['status-kong-default', 'status-kong-default-ecdsa'] },
} as const

/** The certificates of a listener: those of the settings, else the self-signed ones that the prefix holds. */
export function listenerCertificates(
  settings: Settings,
  listener: keyof typeof CERTIFICATE_SETTINGS,
): { readonly cert: string; readonly key: string }[] {
  const { given, made } = CERTIFICATE_SETTINGS[listener]
  const certs = settings[`${given}_cert`] ?? []
  const keys = settings[`${given}_cert_key`] ?? []
  if (certs.length > 0) return lastOfEachType(certs.map((cert, index) => ({ cert, key: keys[index]! })))
  return made
    .map(name => join(settings.prefix, 'ssl', name))
    .filter(path => existsSync(`${path}.crt`))
    .map(path => ({ cert: readFileSync(`${path}.crt`, 'utf8'), key: readFileSync(`${path}.key`, 'utf8') }))
}

/** As in nginx: OpenSSL has room for one certificate of each type of key, and the last one stays. */
function lastOfEachType<Identity extends { readonly key: string }>(identities: readonly Identity[]): Identity[] {
  const byType = new Map(identities.map(identity => [createPrivateKey(identity.key).asymmetricKeyType, identity]))
  return [...byType.values()]
}

/** nginx's `proxy_ssl_verify_depth`, which Kong leaves as it is. */
const VERIFY_DEPTH_DEFAULT = 1

/** nginx's `proxy_ssl_verify` and its like, as Kong's settings inject them; relative paths begin at the prefix. */
function upstreamTrust(settings: Settings, block: 'nginx_proxy' | 'nginx_sproxy'): UpstreamTrust {
  const text = settings[`${block}_proxy_ssl_trusted_certificate`]
  const material = text === null ? null : readKeyMaterial(text, 'certificate', systemFiles(settings.prefix))
  return {
    verify: settings[`${block}_proxy_ssl_verify`] ?? false,
    verifyDepth: settings[`${block}_proxy_ssl_verify_depth`] ?? VERIFY_DEPTH_DEFAULT,
    authorities: material?.ok ? material.pem : trustedCertificates(settings.lua_ssl_trusted_certificate),
  }
}

/** PEM of all that are named, or null when the system's store is all there is. */
export function trustedCertificates(names: readonly string[]): string | null {
  const texts = names.filter(name => name !== 'system')
  if (texts.length === 0) return null
  const files = systemFiles(process.cwd())
  return texts
    .map(text => readKeyMaterial(text, 'certificate', files))
    .map(material => (material.ok ? material.pem : ''))
    .join('\n')
}

/** Of one of the two clients: `new_dns_client` chooses which family of settings counts. */
function dnsFrom(settings: Settings): ProxySettings['dns'] {
  if (settings.new_dns_client)
    return {
      isNewClient: true,
      nameservers: settings.resolver_address,
      hostsFile: settings.resolver_hosts_file,
      order: settings.resolver_family,
      staleTtlS: settings.resolver_stale_ttl,
      notFoundTtlS: settings.resolver_error_ttl,
      errorTtlS: settings.resolver_error_ttl,
      validTtlS: settings.resolver_valid_ttl,
      cacheSize: settings.resolver_lru_cache_size,
      noSync: false,
    }
  return {
    isNewClient: false,
    nameservers: settings.dns_resolver,
    hostsFile: settings.dns_hostsfile,
    order: settings.dns_order,
    staleTtlS: settings.dns_stale_ttl,
    notFoundTtlS: settings.dns_not_found_ttl,
    errorTtlS: settings.dns_error_ttl,
    validTtlS: settings.dns_valid_ttl,
    cacheSize: settings.dns_cache_size,
    noSync: settings.dns_no_sync,
  }
}
