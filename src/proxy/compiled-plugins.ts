/** From the row of a plugin to a live instance of it, or to the reason why there cannot be one. */
import type { ConfigRefusal, Row } from '../entities/config.ts'
import type { PluginDefinition, PluginScope, PluginTools } from '../sdk/sdk.ts'
import type { Logger } from '../base/logger.ts'
import type { PluginInstance } from './compiled.ts'
import { foreignKey } from './entity-index.ts'
import { hasReference, type Secrets } from './secrets.ts'

export interface InstanceSources {
  readonly plugins: ReadonlyMap<string, PluginDefinition>
  readonly tools: (scope: PluginScope, row: Row) => PluginTools
  readonly log: Logger
}

/** Row of a plugin whose instance must be made again when a vault changes. */
export function dependsOnVaults(row: Row): boolean {
  return hasReference(row['config'])
}

const HTTP_PROTOCOLS = new Set(['http', 'https', 'grpc', 'grpcs'])
const STREAM_PROTOCOLS = new Set(['tcp', 'tls', 'tls_passthrough', 'udp'])

/** A plugin that is switched off has no instance. */
export function hasInstance(row: Row | null): row is Row {
  return row !== null && row['enabled'] !== false
}

export function runsInHttp(row: Row): boolean {
  return hasProtocolOf(row, HTTP_PROTOCOLS)
}

export function runsInStream(row: Row): boolean {
  return hasProtocolOf(row, STREAM_PROTOCOLS)
}

function hasProtocolOf(row: Row, set: ReadonlySet<string>): boolean {
  const protocols = row['protocols'] as readonly string[] | null | undefined
  return protocols == null || protocols.some(protocol => set.has(protocol))
}

export function createInstance(
  row: Row,
  { plugins, tools, secrets }: InstanceSources & { readonly secrets: Secrets },
): { readonly instance: PluginInstance } | { readonly refusal: ConfigRefusal } {
  const id = String(row['id'])
  const name = String(row['name'])
  const refuse = (field: string | null, message: string) => ({
    refusal: { entity: 'plugins', key: id, field, message },
  })
  const definition = plugins.get(name)
  if (definition === undefined)
    return refuse('name', `plugin '${name}' not enabled; add it to the 'plugins' configuration property`)
  const scope: PluginScope = {
    plugin_id: id,
    route_id: foreignKey(row, 'route'),
    service_id: foreignKey(row, 'service'),
    consumer_id: foreignKey(row, 'consumer'),
  }
  try {
    const config = secrets.inFields(definition.config, (row['config'] ?? {}) as Row)
    const handlers = definition.prepare(config as never, tools(scope, row))
    return { instance: { name, priority: definition.priority, row, scope, handlers } }
  } catch (error) {
    return refuse('config', `plugin '${name}' refuses its configuration: ${(error as Error).message}`)
  }
}

/** Ends an instance; what it answers or throws changes nothing for anybody else, so it is only logged. */
export async function closeInstance(instance: PluginInstance, log: Logger): Promise<void> {
  try {
    await instance.handlers.close?.()
  } catch (error) {
    log.error(`plugin '${instance.name}' (${instance.scope.plugin_id}) failed to close: ${(error as Error).message}`)
  }
}
