/** Addresses, name servers, headers and listeners: what a type alone cannot say. */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import type { ListenAddress } from '../../base/listen-address.ts'
import { formatEndpoint } from '../listen-address.ts'
import { parseAddedHeader } from '../added-header.ts'
import { parseHeaderBuffers } from '../header-buffers.ts'
import { accessLogFormat } from '../log-formats.ts'
import { isResponseHeaderToken, isUpstreamHeaderToken } from '../header-tokens.ts'
import type { Findings, RuleContext } from './rule.ts'

export function checkNetwork(context: RuleContext, findings: Findings): void {
  checkHeaders(context, findings)
  checkHeaderBuffers(context, findings)
  checkLogFormat(context, findings)
  checkAddedHeaders(context, findings)
  checkNames(context, findings)
  checkTrustedIps(context, findings)
  checkProxyServer(context, findings)
  checkListeners(context, findings)
  checkListenFlags(context, findings)
}

function checkHeaders({ settings, origin }: RuleContext, { errors }: Findings): void {
  for (const token of settings.headers) {
    if (!isResponseHeaderToken(token)) errors.push(`headers: invalid entry '${token}'` + origin('headers'))
  }
  for (const token of settings.headers_upstream) {
    if (!isUpstreamHeaderToken(token)) {
      errors.push(`headers_upstream: invalid entry '${token}'` + origin('headers_upstream'))
    }
  }
}

function checkHeaderBuffers({ settings, origin }: RuleContext, { errors }: Findings): void {
  const name = 'nginx_http_large_client_header_buffers'
  if (parseHeaderBuffers(settings[name]) !== null) return
  errors.push(`${name} must be a number and a size, such as '4 8k', of 16 MiB together at most` + origin(name))
}

function checkAddedHeaders({ settings }: RuleContext, { errors }: Findings): void {
  for (const name of ['nginx_http_add_header', 'nginx_proxy_add_header']) {
    const text = settings.dynamic[name]
    if (text === undefined || parseAddedHeader(text) !== null) continue
    errors.push(`${name} must be a header name and a value without variables, got '${text}'`)
  }
}

function checkLogFormat({ settings, origin }: RuleContext, { errors }: Findings): void {
  const choice = accessLogFormat(settings)
  if (choice.ok) return
  errors.push(`${choice.name}: ${choice.error}` + origin('proxy_access_log'))
}

function checkNames({ settings, isGiven, files, origin }: RuleContext, { errors }: Findings): void {
  for (const property of ['dns_resolver', 'resolver_address'] as const) {
    for (const server of settings[property]) {
      if (isNameServer(server)) continue
      const form = 'must be a comma separated list in the form of IPv4/6 or IPv4/6:port'
      errors.push(`${property} ${form}, got '${server}'` + origin(property))
    }
  }
  for (const property of ['dns_hostsfile', 'resolver_hosts_file'] as const) {
    // The default may be missing, in a container without one.
    if (isGiven(property) && !files.exists(resolve(files.folder, settings[property]))) {
      errors.push(`${property}: file does not exist` + origin(property))
    }
  }
  const types = { dns_order: ['LAST', 'A', 'AAAA', 'CNAME', 'SRV'], resolver_family: ['A', 'AAAA', 'SRV'] } as const
  for (const [property, allowed] of Object.entries(types) as ['dns_order' | 'resolver_family', readonly string[]][]) {
    for (const name of settings[property]) {
      if (!allowed.includes(name.toUpperCase())) errors.push(`${property}: invalid entry '${name}'` + origin(property))
    }
  }
}

function isNameServer(text: string): boolean {
  if (isIP(text) !== 0) return true
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text)
  return match !== null && isIP(match[1] ?? match[2] ?? '') !== 0 && Number(match[3] ?? 53) <= 65535
}

function checkTrustedIps({ settings, origin }: RuleContext, { errors }: Findings): void {
  for (const address of settings.trusted_ips) {
    if (address === 'unix:' || isIpOrCidr(address)) continue
    const form = "must be a comma separated list in the form of IPv4 or IPv6 address or CIDR block or 'unix:'"
    errors.push(`trusted_ips ${form}, got '${address}'` + origin('trusted_ips'))
  }
}

export function isIpOrCidr(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || address.includes('%') || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

function checkProxyServer({ settings, origin }: RuleContext, { errors }: Findings): void {
  if (settings.proxy_server === null) return
  const problem = proxyServerProblem(settings.proxy_server)
  if (problem !== null) errors.push(problem + origin('proxy_server'))
}

/** Kong's texts; never with the address itself, which may hold a password. */
export function proxyServerProblem(text: string): string | null {
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\//.exec(text)?.[1]
  if (scheme === undefined) return 'proxy_server missing scheme'
  if (scheme !== 'http' && scheme !== 'https') {
    return `proxy_server only supports "http" and "https", got ${scheme}`
  }
  const rest = text.slice(scheme.length + 3)
  if (rest.split(/[/?#]/)[0]!.split('@').at(-1) === '') return 'proxy_server missing host'
  if (!URL.canParse(text)) return 'proxy_server is invalid: not a URL'
  if (/[?#;]/.test(rest)) {
    return 'fragments, query strings or parameters are meaningless in proxy configuration'
  }
  return null
}

/** Two listeners on one address would fail when the second is opened, with a text that names only one of them. */
function checkListeners({ settings, origin }: RuleContext, { errors }: Findings): void {
  const opened = [
    settings.role === 'admin' ? null : ('proxy_listen' as const),
    settings.role === 'admin' ? null : ('stream_listen' as const),
    settings.role === 'proxy' ? null : ('admin_listen' as const),
    settings.role === 'admin' ? ('cluster_listen' as const) : null,
    'status_listen' as const,
  ].filter(name => name !== null)
  const taken = new Map<string, (typeof opened)[number]>()
  for (const property of opened) {
    for (const address of settings[property]) {
      const place = `${formatEndpoint(address)}${address.udp === true ? ' udp' : ''}`
      const other = taken.get(place)
      if (address.port !== 0 && other !== undefined) {
        const both =
          other === property ? `${property} names ${place} twice` : `${other} and ${property} both use ${place}`
        errors.push(both + origin(property))
      }
      taken.set(place, property)
    }
  }
}

const LISTENERS = ['proxy_listen', 'stream_listen', 'admin_listen', 'status_listen', 'cluster_listen'] as const

/** Flags that cannot be honoured are named, rather than taken for granted by whoever set them. */
function checkListenFlags({ settings, origin }: RuleContext, { errors }: Findings): void {
  for (const property of LISTENERS) {
    for (const address of settings[property]) {
      const problem = flagProblem(property, address)
      if (problem !== null) errors.push(`${property}: ${problem}${origin(property)}`)
    }
  }
}

function flagProblem(property: (typeof LISTENERS)[number], address: ListenAddress): string | null {
  const place = formatEndpoint(address)
  if (address.deferred === true)
    return `'deferred' (${place}) is not supported: connections are accepted at once; leave it out`
  if (address.proxyProtocol && property === 'cluster_listen')
    return `'proxy_protocol' (${place}) is not supported in cluster_listen; leave it out`
  if (address.udp !== true) return null
  const clash = address.ssl
    ? 'ssl'
    : address.proxyProtocol
      ? 'proxy_protocol'
      : address.backlog !== null
        ? 'backlog'
        : address.keepalive !== undefined
          ? 'so_keepalive'
          : null
  return clash === null ? null : `'${clash}' cannot be combined with 'udp' (${place}); leave one of them out`
}
