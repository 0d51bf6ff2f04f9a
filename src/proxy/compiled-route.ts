/** A route ready for requests, with a plan that is made when first asked for. */
import type { Row } from '../entities/config.ts'
import type { RouterFlavor } from '../entities/routes.ts'
import { foreignKey } from './entity-index.ts'
import type { CompiledRoute, CompiledService, PluginPlan } from './compiled.ts'
import type { PluginTable } from './plugin-plan.ts'

/**
 * Where the routes of one service find its present form. Null while the service is missing or switched off: then
 * its routes take no part. So a change of a service costs nothing per route until a request meets the route.
 */
export interface ServiceSlot {
  current: CompiledService | null
}

const HTTP_PROTOCOLS = new Set(['http', 'https', 'grpc', 'grpcs'])

/** Routes of the stream proxy are none of the HTTP router's business. */
export function isHttpRoute(row: Row): boolean {
  return protocolsOf(row).some(protocol => HTTP_PROTOCOLS.has(protocol))
}

export class LiveRoute implements CompiledRoute {
  readonly id: string
  readonly row: Row
  readonly service: CompiledService | null
  readonly stripPath: boolean
  readonly preserveHost: boolean
  readonly pathHandling: CompiledRoute['pathHandling']
  readonly http: boolean
  readonly https: boolean
  readonly grpc: boolean
  readonly httpsRedirectStatusCode: CompiledRoute['httpsRedirectStatusCode']
  readonly requestBuffering: boolean
  readonly responseBuffering: boolean
  readonly slot: ServiceSlot | null
  readonly #plugins: PluginTable
  #plan: PluginPlan | null = null
  #epoch = 0

  constructor(
    row: Row,
    options: {
      slot: ServiceSlot | null
      service: CompiledService | null
      plugins: PluginTable
      flavor: RouterFlavor
    },
  ) {
    const protocols = protocolsOf(row)
    this.id = String(row['id'])
    this.row = row
    this.slot = options.slot
    this.service = options.service
    this.stripPath = row['strip_path'] === true
    this.preserveHost = row['preserve_host'] === true
    // Only the traditional router knows the old way, as in Kong.
    this.pathHandling = options.flavor === 'traditional' && row['path_handling'] === 'v1' ? 'v1' : 'v0'
    this.http = protocols.includes('http') || protocols.includes('grpc')
    this.https = protocols.includes('https') || protocols.includes('grpcs')
    this.grpc = protocols.includes('grpc') || protocols.includes('grpcs')
    this.httpsRedirectStatusCode = (row['https_redirect_status_code'] ??
      426) as CompiledRoute['httpsRedirectStatusCode']
    this.requestBuffering = row['request_buffering'] !== false
    this.responseBuffering = row['response_buffering'] !== false
    this.#plugins = options.plugins
  }

  plan(): PluginPlan {
    if (this.#plan === null || this.#epoch !== this.#plugins.epoch) {
      this.#epoch = this.#plugins.epoch
      this.#plan = this.#plugins.plan(this.id, foreignKey(this.row, 'service'))
    }
    return this.#plan
  }
}

function protocolsOf(row: Row): readonly string[] {
  return (row['protocols'] ?? ['http', 'https']) as readonly string[]
}
