/** `kong route test`: which route a request would take, to which service, through which plugins, and why. */
import { isIP } from 'node:net'
import type { NamedRow } from '../declarative/naming.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { RouterFlavor } from '../entities/routes.ts'
import type { TestedRequest } from '../node/route-explanation.ts'
import type { Settings } from '../settings/definition.ts'
import { type ApiAddress, callAdmin } from './admin-client.ts'
import {
  CliError,
  type Command,
  type CommandContext,
  CONF_OPTION,
  type Invocation,
  JSON_OPTION,
  PREFIX_OPTION,
} from './command.ts'
import { ADMIN_OPTIONS, adminAccess, fetchRows, headersOf, readConfiguration } from './configuration-input.ts'
import { loadRunningOrGiven } from './node-settings.ts'
import { explanationText } from './route-text.ts'

const command: Command = {
  name: 'route',
  description:
    'Ask for the way of a request, without sending it: of the node that runs, of another one by its Admin API, or of a ' +
    'file. Ends with 0 when there is a route, 2 when there is none, 1 when it could not be found out.\n' +
    "Example: kong route test GET https://example.com/hello -H 'x-version: 2'",
  options: {
    conf: CONF_OPTION,
    prefix: PREFIX_OPTION,
    header: { short: 'H', value: 'HEADER', description: "Of the request, as in 'x-version: 2'.", repeats: true },
    consumer: { value: 'NAME', description: 'Take the request for one of this consumer.' },
    'client-ip': { value: 'IP', description: 'Where the request comes from (default 127.0.0.1).' },
    file: { short: 'f', value: 'FILE', description: 'Ask this declarative file instead of a node.' },
    ...ADMIN_OPTIONS,
    json: JSON_OPTION,
  },
  subcommands: { test: { arguments: '<method> <url>', description: 'Which route, service and plugins, and why.' } },
  async run(invocation, context) {
    const request = requestOf(invocation)
    const { settings } = loadRunningOrGiven(invocation, context)
    const source = await sourceOf(settings, invocation, context)
    const { explainRoute } = await import('../node/route-explanation.ts')
    const explained = explainRoute({ ...source, request })
    if (request.consumer !== null && !hasConsumer(source.rows, request.consumer)) {
      throw new CliError(`there is no consumer '${request.consumer}'`)
    }
    if (invocation.options['json'] !== undefined) context.terminal.printRaw(JSON.stringify(explained))
    else for (const line of explanationText(request, explained, source)) context.terminal.print(line)
    return explained.chosen === null ? 2 : 0
  },
}
export default command

export interface RouteSource {
  readonly catalog: EntityCatalog
  readonly rows: readonly NamedRow[]
  readonly flavor: RouterFlavor
}

/** What decides about the way of a request. */
const ENTITIES = ['routes', 'services', 'plugins', 'upstreams', 'targets', 'consumers']

async function sourceOf(settings: Settings, invocation: Invocation, context: CommandContext): Promise<RouteSource> {
  const { file } = invocation.options
  if (file !== undefined) {
    const { catalog, rows } = await readConfiguration(settings, file, context)
    return { catalog, rows, flavor: settings.router_flavor }
  }
  const access = adminAccess(invocation, settings, context)
  const { nodeCatalog } = await import('../node/offline-config.ts')
  const catalog = nodeCatalog(settings)
  const flavor = await flavorOf(access, settings)
  return { catalog, rows: await fetchRows(access, catalog, ENTITIES), flavor }
}

/** The node may have other settings than this command. */
async function flavorOf(access: ApiAddress, settings: Settings): Promise<RouterFlavor> {
  const { body } = await callAdmin(access, 'GET', '/')
  const { configuration } = (body ?? {}) as { configuration?: { router_flavor?: RouterFlavor } }
  return configuration?.router_flavor ?? settings.router_flavor
}

function requestOf({ positionals, options }: Invocation): TestedRequest {
  const [method, given, surplus] = positionals
  if (method === undefined || given === undefined) {
    throw new CliError('expected a method and a URL, as in: kong route test GET https://example.com/hello')
  }
  if (surplus !== undefined) throw new CliError(`unexpected argument '${surplus}'`)
  if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(method)) throw new CliError(`'${method}' is no HTTP method`)
  const text = given.startsWith('/') ? `http://localhost${given}` : given
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new CliError(`'${given}' is no URL; write http://host/path or https://host/path`)
  }
  const clientIp = options['client-ip'] ?? '127.0.0.1'
  if (isIP(clientIp) === 0) throw new CliError(`--client-ip: '${clientIp}' is no IP address`)
  return {
    method: method.toUpperCase(),
    url,
    headers: headersOf(options['header']),
    consumer: options['consumer'] ?? null,
    clientIp,
  }
}

function hasConsumer(rows: readonly NamedRow[], name: string): boolean {
  return rows.some(({ entity, row }) => entity === 'consumers' && [row['username'], row['id']].includes(name))
}
