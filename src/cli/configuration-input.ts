/** Where commands take a configuration from: a file, or the node that runs. */
import { resolve } from 'node:path'
import type { NamedRow } from '../declarative/naming.ts'
import type { DeclarativeRow } from '../declarative/parse.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import type { Settings } from '../settings/definition.ts'
import { type AdminAnswer, type ApiAddress, answerMessage, callAdmin, listenerUrl } from './admin-client.ts'
import { CliError, type CommandContext, type Invocation, type OptionDefinition } from './command.ts'

/** The gateway's own code is loaded only when it is needed: it knows the entities and plugins. */
const offline = () => import('../node/offline-config.ts')

export const ADMIN_OPTIONS = {
  'admin-url': { value: 'URL', description: 'Admin API of the node that is asked (default: the one of this prefix).' },
  'admin-header': {
    value: 'HEADER',
    description: "Sent to the Admin API, as in 'authorization: Bearer ...'.",
    repeats: true,
  },
} as const satisfies Record<string, OptionDefinition>

export interface FileConfiguration {
  readonly path: string
  readonly document: Readonly<Record<string, unknown>>
  readonly rows: readonly DeclarativeRow[]
  readonly catalog: EntityCatalog
}

/** Throws CliError with all that is wrong. */
export async function readConfiguration(
  settings: Settings,
  file: string,
  { folder }: Pick<CommandContext, 'folder'>,
): Promise<FileConfiguration> {
  const { parseConfiguration, describeFailure, readDeclarativeFile, readText, nodeCatalog } = await offline()
  const path = resolve(folder, file)
  const { text, filename } = await readDeclarativeFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new CliError(
      `Failed parsing:\n${error.code === 'ENOENT' ? `${path}: No such file or directory` : error.message}`,
    )
  })
  const parsed = parseConfiguration(settings, text, filename)
  if (!parsed.ok) throw new CliError(`Failed parsing:\n${describeFailure(file, parsed, filename)}`)
  const read = readText(text, filename)
  return { path, document: read.ok ? read.document : {}, rows: parsed.rows, catalog: nodeCatalog(settings) }
}

/** The one of `--admin-url`. */
export function namedAdmin(
  { options }: Pick<Invocation, 'options'>,
  { env }: Pick<CommandContext, 'env'>,
): ApiAddress | null {
  const given = options['admin-url']
  if (given === undefined) return null
  if (!/^https?:\/\//.test(given) || !URL.canParse(given)) throw new CliError(`--admin-url is not a URL: '${given}'`)
  return { url: given, token: env['KONG_ADMIN_TOKEN'] ?? null }
}

/** A node that is named gets the token that is named (KONG_ADMIN_TOKEN), the one of this prefix its own. */
export function adminAccess(
  { options }: Pick<Invocation, 'options'>,
  settings: Settings,
  { env }: Pick<CommandContext, 'env'>,
): ApiAddress {
  const headers = headersOf(options['admin-header'])
  const named = namedAdmin({ options }, { env })
  if (named !== null) return { ...named, headers }
  const url = listenerUrl(settings.admin_listen)
  if (url === null) throw new CliError('the node of this prefix has no Admin API; say --admin-url URL')
  return { url, token: settings.admin_token, headers }
}

/** From lines of `name: value`. */
export function headersOf(lines: string | undefined): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of lines?.split('\n') ?? []) {
    const colon = line.indexOf(':')
    if (colon <= 0) throw new CliError(`'${line}' is no header; write 'name: value'`)
    headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
  }
  return headers
}

/** All entities of a node, of this gateway or of Kong, page by page. */
export async function fetchRows(
  access: ApiAddress,
  catalog: EntityCatalog,
  only?: readonly string[],
): Promise<NamedRow[]> {
  const rows: NamedRow[] = []
  for (const { name, admin_path = name, generate_admin_api } of catalog.definitions) {
    if (generate_admin_api === false || UNLISTED.has(name) || (only !== undefined && !only.includes(name))) continue
    for await (const row of fetchList(access, `/${admin_path}`)) rows.push({ entity: name, row })
  }
  if (only !== undefined && !only.includes('targets')) return rows
  for (const { row } of rows.filter(({ entity }) => entity === 'upstreams')) {
    for await (const target of fetchList(access, `/upstreams/${String(row['id'])}/targets/all`)) {
      rows.push({ entity: 'targets', row: target })
    }
  }
  return rows
}

/** Targets are reached through their upstream; tags are no entities; filter chains need WebAssembly. */
const UNLISTED = new Set(['targets', 'tags', 'filter_chains'])

async function* fetchList(access: ApiAddress, path: string): AsyncGenerator<Row> {
  let next: string | null = `${path}?size=1000`
  while (next !== null) {
    const answer: AdminAnswer = await callAdmin(access, 'GET', next)
    // A node without the plugin that brings an entity has none of it.
    if (answer.status === 404) return
    const { data, next: after } = (answer.body ?? {}) as { data?: readonly Row[]; next?: string | null }
    if (answer.status !== 200 || !Array.isArray(data)) {
      throw new CliError(`${access.url}${path}: ${answerMessage(answer)}`)
    }
    yield* data
    next = after === null || after === undefined ? null : `${after}${/[?&]size=/.test(after) ? '' : '&size=1000'}`
  }
}
