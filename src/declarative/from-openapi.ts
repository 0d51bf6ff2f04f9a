/**
 * Services and routes from an OpenAPI description (3.0, 3.1): a service per set of servers, a route per operation, paths
 * with parameters as regular expressions. The extensions `x-kong-...` are those of `deck file openapi2kong`.
 */
import { isObject } from '../schema/defaults.ts'
import { OpenApiError, serversOf, type UpstreamParts, upstreamParts } from './openapi-servers.ts'

export { OpenApiError } from './openapi-servers.ts'

type Value = Readonly<Record<string, unknown>>

export interface FromOpenApi {
  readonly document: Record<string, unknown>
  /** What could not be taken over. */
  readonly notes: readonly string[]
}

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const

export function fromOpenApi(api: Value): FromOpenApi {
  const version = api['openapi']
  if (typeof version !== 'string' || !/^3\./.test(version)) {
    const found = api['swagger'] !== undefined ? `Swagger ${String(api['swagger'])}` : 'no `openapi: 3.x`'
    throw new OpenApiError(`this is no OpenAPI 3 description: it has ${found}`)
  }
  const paths = api['paths']
  if (!isObject(paths)) throw new OpenApiError('it has no `paths`')
  const builder = new Builder(api)
  for (const [path, item] of Object.entries(paths)) {
    if (!path.startsWith('/')) throw new OpenApiError(`paths: '${path}' does not begin with /`)
    if (isObject(item)) builder.addPath(path, item)
  }
  return builder.finish()
}

class Builder {
  readonly #api: Value
  readonly #base: string
  readonly #tags: readonly string[]
  readonly #services = new Map<string, Record<string, unknown>>()
  readonly #upstreams: Record<string, unknown>[] = []
  readonly #notes: string[] = []
  readonly #routeNames = new Set<string>()

  constructor(api: Value) {
    this.#api = api
    const info = isObject(api['info']) ? api['info'] : {}
    const name = api['x-kong-name'] ?? info['title']
    if (typeof name !== 'string' || slug(name) === '') {
      throw new OpenApiError('it has neither `info.title` nor `x-kong-name` to name the service after')
    }
    this.#base = slug(name)
    this.#tags = textsOf(api['x-kong-tags'], 'x-kong-tags')
  }

  addPath(path: string, item: Value): void {
    for (const method of METHODS) {
      const operation = item[method]
      if (isObject(operation)) this.#addOperation({ path, item, method, operation })
    }
  }

  finish(): FromOpenApi {
    const services = [...this.#services.values()]
    const document: Record<string, unknown> = { _format_version: '3.0', services }
    if (this.#upstreams.length > 0) document['upstreams'] = this.#upstreams
    return { document, notes: this.#notes }
  }

  #addOperation({ path, item, method, operation }: Operation): void {
    const servers = [operation, item, this.#api].map(serversOf).find(found => found.length > 0) ?? []
    const level = serversOf(operation).length > 0 ? 'operation' : serversOf(item).length > 0 ? 'path' : 'document'
    const own =
      level === 'document' ? '' : level === 'path' ? slug(path) : this.#operationName({ path, item, method, operation })
    const service = this.#service(own === '' ? this.#base : `${this.#base}_${own}`, servers)
    const name = this.#unique(`${this.#base}_${this.#operationName({ path, item, method, operation })}`)
    const defaults = {
      ...defaultsOf(this.#api, 'route'),
      ...defaultsOf(item, 'route'),
      ...defaultsOf(operation, 'route'),
    }
    const { pattern, hasParameters } = pathPattern(path)
    const tags = [...new Set([...this.#tags, ...textsOf(operation['x-kong-tags'], `${name}: x-kong-tags`)])]
    const plugins = this.#plugins([item, operation], name, tags)
    const route = {
      name,
      methods: [method.toUpperCase()],
      paths: [pattern],
      strip_path: false,
      // Literal paths before those with parameters: as an OpenAPI description means it.
      ...(hasParameters ? { regex_priority: 100 } : { regex_priority: 200 }),
      ...defaults,
      ...(tags.length > 0 && { tags }),
      ...(plugins.length > 0 && { plugins }),
    }
    ;(service['routes'] as unknown[]).push(route)
  }

  #operationName({ path, item, method, operation }: Operation): string {
    const given = operation['x-kong-name'] ?? operation['operationId']
    if (typeof given === 'string' && slug(given) !== '') return slug(given)
    const ofPath = typeof item['x-kong-name'] === 'string' ? slug(item['x-kong-name']) : slug(path) || 'root'
    return `${ofPath}_${method}`
  }

  #unique(name: string): string {
    let unique = name
    for (let i = 2; this.#routeNames.has(unique); i++) unique = `${name}_${i}`
    if (unique !== name) this.#notes.push(`two operations would be named ${name}; the later is ${unique}`)
    this.#routeNames.add(unique)
    return unique
  }

  /** Several servers are targets of one upstream. */
  #service(name: string, servers: readonly string[]): Record<string, unknown> {
    const known = this.#services.get(name)
    if (known !== undefined) return known
    const parts = upstreamParts(servers, name)
    if (servers.length === 0) this.#notes.push(`${name}: no servers are given, so its host is localhost`)
    const hosts = [...new Set(parts.map(({ host, port }) => `${host}:${port}`))]
    const defaults = defaultsOf(this.#api, 'service')
    const upstream = defaultsOf(this.#api, 'upstream')
    const isBalanced = hosts.length > 1 || Object.keys(upstream).length > 0
    if (isBalanced) {
      const targets = hosts.map(target => ({ target, ...this.#tagged() }))
      this.#upstreams.push({ name: `${name}.upstream`.replaceAll('_', '-'), ...upstream, targets, ...this.#tagged() })
    }
    this.#noteDifferences(name, parts)
    const [first] = parts
    const plugins = this.#plugins([this.#api], name, this.#tags)
    const service: Record<string, unknown> = {
      name,
      protocol: first!.protocol,
      host: isBalanced ? `${name}.upstream`.replaceAll('_', '-') : first!.host,
      port: first!.port,
      ...(first!.path !== '' && first!.path !== '/' && { path: first!.path }),
      ...defaults,
      ...this.#tagged(),
      ...(plugins.length > 0 && { plugins }),
      routes: [],
    }
    this.#services.set(name, service)
    return service
  }

  #noteDifferences(name: string, [first, ...others]: readonly UpstreamParts[]): void {
    if (others.some(({ protocol, path }) => protocol !== first!.protocol || path !== first!.path)) {
      this.#notes.push(`${name}: its servers differ in protocol or path; those of the first are used for all`)
    }
  }

  #tagged() {
    return this.#tags.length > 0 ? { tags: this.#tags } : {}
  }

  /** Of one name the nearest wins: the operation's, then the path's. */
  #plugins(levels: readonly Value[], owner: string, tags: readonly string[]): Record<string, unknown>[] {
    const plugins = new Map<string, Record<string, unknown>>()
    for (const level of levels) {
      for (const [key, value] of Object.entries(level)) {
        const name = /^x-kong-plugin-(.+)$/.exec(key)?.[1]
        if (name === undefined) continue
        if (!isObject(value)) throw new OpenApiError(`${owner}: ${key} is no object`)
        plugins.set(name, { name, ...value, ...(tags.length > 0 && { tags }) })
      }
    }
    return [...plugins.values()]
  }
}

interface Operation {
  readonly path: string
  readonly item: Value
  readonly method: string
  readonly operation: Value
}

function defaultsOf(level: Value, kind: 'service' | 'route' | 'upstream'): Value {
  const key = `x-kong-${kind}-defaults`
  const value = level[key]
  if (value === undefined) return {}
  if (!isObject(value)) throw new OpenApiError(`${key} is no object`)
  return value
}

function textsOf(value: unknown, name: string): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.some(tag => typeof tag !== 'string')) {
    throw new OpenApiError(`${name} is no list of texts`)
  }
  return value as string[]
}

/** Parameters match one segment, and can be used as `$(uri_captures.name)`. */
function pathPattern(path: string): { readonly pattern: string; readonly hasParameters: boolean } {
  const names = new Set<string>()
  const parts = path.split(/(\{[^{}/]+\})/)
  const pattern = parts.map((part, i) => {
    if (i % 2 === 0) return part.replaceAll(/[\\^$.|?*+()[\]{}]/g, '\\$&')
    let name = part
      .slice(1, -1)
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '_')
      .replace(/^(?=[0-9])/, '_')
    while (names.has(name)) name += '_'
    names.add(name)
    return `(?<${name}>[^#?/]+)`
  })
  return { pattern: `~${pattern.join('')}$`, hasParameters: names.size > 0 }
}

function slug(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
}
