/** The plugins that come with the gateway: an explicit list, in the order in which they run. */
import type { PluginSchema } from '../entities/catalog.ts'
import type { PluginDefinition } from '../sdk/sdk.ts'
import keyAuth from './key-auth.ts'
import requestTermination from './request-termination.ts'

// Each definition knows the type of its own config; a list of them cannot, and reads it through the schema only.
export const bundledPlugins: readonly PluginDefinition[] = [
  keyAuth as unknown as PluginDefinition,
  requestTermination as unknown as PluginDefinition,
]

/** What the catalog needs to know of each plugin: everything but how it acts. */
export function pluginSchemas(plugins: readonly PluginDefinition[] = bundledPlugins): PluginSchema[] {
  return plugins.map(({ docs: _docs, entities: _entities, prepare: _prepare, config_validator, ...schema }) => ({
    ...schema,
    ...(config_validator === undefined
      ? {}
      : { config_validator: config_validator as NonNullable<PluginSchema['config_validator']> }),
  }))
}
