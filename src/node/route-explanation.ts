/** Which route, service and plugins a request would meet, and why: from rows, so for a file and for any node alike. */
import { isIP } from 'node:net'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import type { RouterFlavor } from '../entities/routes.ts'
import type { PluginInstance } from '../proxy/compiled.ts'
import { normalizePath } from '../proxy/http/normal-path.ts'
import { buildUpstreamPath, buildUpstreamPathV1 } from '../proxy/path-building.ts'
import { PluginTable } from '../proxy/plugin-plan.ts'
import { type Explanation, explainMatch } from '../proxy/router/explain.ts'
import type { RouterInput } from '../proxy/router/router.ts'

export type { ExplainedRoute } from '../proxy/router/explain.ts'

export interface TestedRequest {
  readonly method: string
  readonly url: URL
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** Username or id of the consumer that the request is taken for. */
  readonly consumer: string | null
  readonly clientIp: string
}

export interface ExplainRouteOptions {
  readonly catalog: EntityCatalog
  readonly rows: readonly { readonly entity: string; readonly row: Row }[]
  readonly flavor: RouterFlavor
  readonly request: TestedRequest
}

export interface RouteExplanation extends Explanation {
  readonly service: Row | null
  /** Where the request would go, with the host of the service or upstream. */
  readonly upstreamUrl: string | null
  /** Targets, when the service's host is an upstream. */
  readonly targets: readonly string[]
  /** In the order in which they run. */
  readonly plugins: readonly Row[]
  /** Answered by the gateway itself: what a route of this kind does with the request's protocol. */
  readonly redirect: string | null
}

export function explainRoute({ catalog, rows, flavor, request }: ExplainRouteOptions): RouteExplanation {
  const of = (entity: string) => rows.filter(one => one.entity === entity).map(({ row }) => row)
  const services = of('services')
  const disabled = new Set(services.filter(({ enabled }) => enabled === false).map(({ id }) => id))
  const routes = of('routes').filter(({ service }) => !disabled.has(idOf(service)))
  const input = routerInput(request)
  const explained = explainMatch({ flavor, rows: routes, input })
  const { chosen } = explained
  const service = services.find(({ id }) => chosen !== null && id === idOf(chosen['service'])) ?? null
  const upstream = of('upstreams').find(({ name }) => service !== null && name === service['host'])
  const targets = of('targets').filter(target => upstream !== undefined && idOf(target['upstream']) === upstream['id'])
  const named = (consumer: Row) => [consumer['username'], consumer['id']].includes(request.consumer)
  const consumer = request.consumer === null ? null : (of('consumers').find(named) ?? null)
  return {
    ...explained,
    service,
    upstreamUrl: service === null ? null : upstreamUrl(service, explained, input.path + request.url.search),
    targets: targets.map(({ target, weight }) => `${String(target)} weight ${String(weight)}`),
    plugins: chosen === null ? [] : pluginsOf(of('plugins'), catalog, { route: chosen, service, consumer }),
    redirect: chosen === null ? null : protocolAnswer(chosen, input.scheme),
  }
}

function idOf(value: unknown): string | null {
  return typeof value === 'object' && value !== null ? String((value as { id: unknown }).id) : null
}

/** The name that a client sends in TLS is the URL's; a Host header may differ. */
function routerInput({ method, url, headers, clientIp }: TestedRequest): RouterInput {
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  const [, host = '', portText = ''] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(headers['host'] ?? url.host) ?? []
  const hostPort = Number(portText) || 0
  const port = Number(url.port) || (scheme === 'https' ? 443 : 80)
  const values = (name: string) => (headers[name] === undefined ? [] : [headers[name]])
  return {
    method,
    host,
    port: hostPort || port,
    hostPort,
    path: normalizePath(url.pathname),
    scheme,
    sni: scheme === 'https' && isIP(url.hostname.replace(/^\[|\]$/g, '')) === 0 ? url.hostname : '',
    sourceIp: clientIp,
    sourcePort: 0,
    destinationIp: '127.0.0.1',
    header: name => values(name)[0],
    headerValues: values,
    queryValues: name => url.searchParams.getAll(name),
  }
}

function upstreamUrl(service: Row, { chosen, matchedPath }: Explanation, target: string): string {
  const [path = '/', query] = target.split(/(?=\?)/, 2)
  const build = chosen!['path_handling'] === 'v1' ? buildUpstreamPathV1 : buildUpstreamPath
  const base = (service['path'] as string | null) ?? '/'
  const built = build(base, path, chosen!['strip_path'] === true ? matchedPath : null)
  return `${String(service['protocol'])}://${String(service['host'])}:${String(service['port'])}${built}${query ?? ''}`
}

/** A route for https only tells a client that came without TLS so. */
function protocolAnswer(route: Row, scheme: 'http' | 'https'): string | null {
  const protocols = route['protocols'] as readonly string[]
  if (scheme !== 'http' || protocols.some(name => name === 'http' || name === 'grpc')) return null
  return `answered with ${String(route['https_redirect_status_code'])}: the route takes ${protocols.join(', ')} only`
}

interface Scope {
  readonly route: Row
  readonly service: Row | null
  readonly consumer: Row | null
}

/** By the table that the proxy itself uses; plugins that this node does not know go last. */
function pluginsOf(rows: readonly Row[], catalog: EntityCatalog, { route, service, consumer }: Scope): Row[] {
  const table = new PluginTable()
  for (const row of rows.filter(({ enabled }) => enabled !== false)) {
    const name = String(row['name'])
    const [route_id, service_id, consumer_id] = ['route', 'service', 'consumer'].map(field => idOf(row[field]))
    const scope = { route_id, service_id, consumer_id }
    const priority = catalog.plugins.get(name)?.priority ?? Number.MIN_SAFE_INTEGER
    table.add({ name, priority, row, scope, handlers: {} } as unknown as PluginInstance)
  }
  const plan = table.plan(String(route['id']), service === null ? null : String(service['id']))
  const resolved = consumer === null ? plan.anonymous : plan.forConsumer(String(consumer['id']))
  return resolved.instances.flatMap(instance => (instance === null ? [] : [instance.row]))
}
