/** One whole configuration, compiled, and changed in place by committed deltas. */
import type { SecureContext, SecureContextOptions } from 'node:tls'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import type { NamedUpstream } from './compiled-service.ts'
import type { PluginInstance } from './compiled.ts'
import { isHttpRoute, LiveRoute, type ServiceSlot } from './compiled-route.ts'
import { CertificateTable } from './compiled-certificates.ts'
import { EntityTables, foreignKey } from './entity-index.ts'
import type { Steps } from './steps.ts'
import { PluginTable } from './plugin-plan.ts'
import type { RouteMatch, RouterInput } from './router/router.ts'
import { type FindVault, Secrets, type VaultSources } from './secrets.ts'
import { IndexedRouter } from './router/indexed-router.ts'
import { type StreamInput, StreamRouter } from './router/stream-router.ts'

export interface StateOptions extends VaultSources {
  readonly catalog: EntityCatalog
  /** Versions, ciphers and the like for certificates chosen by SNI. */
  readonly secureContextOptions: SecureContextOptions
}

// Not the credentials: there may be millions, and many nodes never see one deleted.
const INDEXED_ENTITIES = new Set(['routes', 'services', 'plugins', 'targets', 'upstreams', 'snis'])

/** The vault entity of a prefix among committed rows. */
function vaultByPrefix(tables: EntityTables): FindVault {
  return prefix => tables.find('vaults')?.findBy('prefix', prefix) ?? null
}

export class ConfigState {
  readonly tables: EntityTables
  readonly router: IndexedRouter
  readonly streamRouter: StreamRouter<LiveRoute>
  readonly plugins = new PluginTable()
  /** Those that run for TCP and UDP sessions; an instance may be in both tables. */
  readonly streamPlugins = new PluginTable()
  readonly certificates: CertificateTable
  readonly instances = new Map<string, PluginInstance>()
  readonly routes = new Map<string, LiveRoute>()
  readonly #slots = new Map<string, ServiceSlot>()
  readonly upstreamsById = new Map<string, NamedUpstream>()
  readonly upstreamsByName = new Map<string, NamedUpstream>()
  /** Ids of the services that have a host, to be compiled again when an upstream of that name comes or goes. */
  readonly #servicesByHost = new Map<string, Set<string>>()

  constructor(options: StateOptions) {
    const { catalog, secureContextOptions, log } = options
    this.tables = new EntityTables(catalog)
    this.router = new IndexedRouter(catalog.router_flavor)
    this.streamRouter = new StreamRouter(catalog.router_flavor)
    const secrets = new Secrets(options, vaultByPrefix(this.tables))
    const row = (id: string) => this.tables.find('certificates')?.rows.get(id) ?? null
    this.certificates = new CertificateTable(secureContextOptions, log, {
      row,
      withSecrets(id) {
        const found = row(id)
        return found && secrets.inFields(catalog.get('certificates').fields, found)
      },
    })
  }

  /** Slots outlive their service as long as routes hold them, so that a service may come after its routes. */
  slot(serviceId: string): ServiceSlot {
    let slot = this.#slots.get(serviceId)
    if (slot === undefined) this.#slots.set(serviceId, (slot = { current: null }))
    return slot
  }

  dropSlot(serviceId: string): void {
    this.#slots.delete(serviceId)
  }

  servicesByHost(host: string): Iterable<string> {
    return this.#servicesByHost.get(host) ?? []
  }

  /** Keeps the list of services by host in step with a row that was put, replaced or removed. */
  indexServiceHost(id: string, before: Row | null, after: Row | null): void {
    const oldHost = before === null ? null : String(before['host'])
    const newHost = after === null ? null : String(after['host'])
    if (oldHost === newHost) return
    if (oldHost !== null) {
      const ids = this.#servicesByHost.get(oldHost)
      ids?.delete(id)
      if (ids?.size === 0) this.#servicesByHost.delete(oldHost)
    }
    if (newHost === null) return
    const ids = this.#servicesByHost.get(newHost)
    if (ids === undefined) this.#servicesByHost.set(newHost, new Set([id]))
    else ids.add(id)
  }

  /**
   * Makes the indexes that deltas and plugins will ask for, so that the first to ask waits no longer than the later
   * ones: references, keys of credentials, and what was looked for in the configuration before.
   */
  *warm(catalog: EntityCatalog, before: EntityTables): Steps<void> {
    for (const { name, endpoint_key } of catalog.definitions) {
      const table = this.tables.find(name)!
      const references = catalog.foreignFields(name)
      if (INDEXED_ENTITIES.has(name)) for (const { field } of references) yield* table.indexForeign(field)
      const unique = new Set(before.find(name)?.uniqueIndexes)
      if (endpoint_key !== undefined && references.some(link => link.references.name === 'consumers'))
        unique.add(endpoint_key)
      for (const field of unique) yield* table.indexUnique(field)
    }
  }

  /** As the router's, with a route whose service has changed since brought up to date first. */
  match(input: RouterInput): RouteMatch | null {
    const match = this.router.match(input)
    if (match === null) return null
    const route = match.route as LiveRoute
    if (route.slot === null || route.service === route.slot.current) return match
    const fresh = this.compileRoute(route.row)
    this.routes.set(fresh.id, fresh)
    this.router.refresh(fresh)
    return { route: fresh, matchedPath: match.matchedPath, uriCaptures: match.uriCaptures }
  }

  /** The same for sessions of the stream proxy. */
  matchStream(input: StreamInput): LiveRoute | null {
    const route = this.streamRouter.match(input, servesStream)
    if (route === null || route.slot === null || route.service === route.slot.current) return route
    const fresh = this.compileRoute(route.row)
    this.routes.set(fresh.id, fresh)
    this.streamRouter.add(fresh)
    return fresh
  }

  compileRoute(row: Row): LiveRoute {
    const serviceId = foreignKey(row, 'service')
    const slot = serviceId === null ? null : this.slot(serviceId)
    const service = slot?.current ?? null
    const plugins = isHttpRoute(row) ? this.plugins : this.streamPlugins
    return new LiveRoute(row, { slot, service, plugins, flavor: this.router.flavor })
  }

  secureContext(sni: string): SecureContext | null {
    return this.certificates.secureContext(sni)
  }
}

/**
 * As in Kong, a route for TLS takes a plain connection, too: one that came where nothing is decrypted. Otherwise the
 * protocol counts, though Kong lets a route for TCP take UDP.
 */
function servesStream({ row }: LiveRoute, { protocol }: StreamInput): boolean {
  const protocols = (row['protocols'] ?? []) as readonly string[]
  if (protocols.includes(protocol)) return true
  if (protocol === 'tls') return protocols.includes('tls_passthrough')
  return protocol === 'tcp' && protocols.some(other => other === 'tls' || other === 'tls_passthrough')
}
