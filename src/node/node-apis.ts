/** Opens the Admin and Status APIs of a node, and opens them anew when a reload moves them. */
import type { DatabaseLess, LogLevelControl, UpstreamHealth } from '../admin/admin-options.ts'
import type { HttpListener } from '../base/http-listener.ts'
import { formatAddress, type ListenAddress } from '../base/listen-address.ts'
import type { Settings } from '../settings/definition.ts'
import type { ControlHalf } from './control-half.ts'
import type { NodeContext } from './node-context.ts'
import type { NodeView } from './node-view.ts'

/** Requests to the APIs that are under way when they close. */
const CLOSE_GRACE_MS = 1000

interface OpenApi {
  readonly name: string
  readonly listener: HttpListener
  readonly addresses: readonly ListenAddress[]
}

export interface AdminParts {
  readonly control: ControlHalf
  readonly databaseLess: DatabaseLess | null
  readonly logLevel: LogLevelControl
  readonly upstreamHealth: UpstreamHealth
}

export class NodeApis {
  readonly #view: NodeView
  readonly #admin: AdminParts | null
  #open: OpenApi[] = []
  #key = ''

  /** `admin` is null on a node that has no Admin API. */
  constructor(view: NodeView, admin: AdminParts | null) {
    this.#view = view
    this.#admin = admin
  }

  async open(context: NodeContext): Promise<void> {
    const { settings } = context
    this.#key = listenKey(settings)
    if (this.#admin !== null && settings.admin_listen.length > 0) {
      const { createAdmin } = await import('./admin-api.ts')
      await this.#add('Admin API', createAdmin(context, this.#admin, this.#view))
    }
    if (settings.status_listen.length > 0) {
      const { createStatus } = await import('./status-api.ts')
      await this.#add('Status API', createStatus(context, this.#view))
    }
  }

  async #add(name: string, listener: HttpListener): Promise<void> {
    this.#open.push({ name, listener, addresses: await listener.open() })
  }

  /** Only what listens elsewhere, or with other certificates, is closed and opened. */
  async reload(context: NodeContext): Promise<void> {
    if (listenKey(context.settings) === this.#key) return
    await this.close(CLOSE_GRACE_MS)
    await this.open(context)
  }

  describe(): string[] {
    return this.#open.flatMap(({ name, addresses }) => addresses.map(address => `${name} on ${formatAddress(address)}`))
  }

  async close(graceMs: number): Promise<void> {
    await Promise.all(this.#open.splice(0).map(({ listener }) => listener.close(graceMs)))
  }
}

function listenKey(settings: Settings): string {
  return JSON.stringify(REOPENING.map(name => settings[name]))
}

/** Settings that the APIs read when they are opened. */
const REOPENING = [
  'admin_listen',
  'status_listen',
  'admin_ssl_cert',
  'admin_ssl_cert_key',
  'status_ssl_cert',
  'status_ssl_cert_key',
  'admin_auth',
  'admin_token',
  'admin_client_ca',
  'admin_client_crl',
  'admin_read_only_clients',
  'trusted_ips',
  'real_ip_header',
  'admin_rate_limit',
  'admin_audit_log',
  'admin_audit_log_days',
  'admin_audit_log_entries',
  'nginx_admin_client_max_body_size',
] as const
