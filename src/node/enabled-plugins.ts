/** Which plugins a node has, and the entity catalog that follows from them. */
import type { CatalogOptions } from '../entities/catalog.ts'
import { bundledPlugins, pluginSchemas } from '../plugins/bundled.ts'
import type { PluginDefinition } from '../sdk/sdk.ts'
import type { Settings } from '../settings/definition.ts'

/** From the setting `plugins`: `bundled`, names, or `off`. */
export function enabledPlugins(names: readonly string[]): readonly PluginDefinition[] {
  if (names.length === 0 || names[0] === 'off') return []
  if (names.includes('bundled')) return bundledPlugins
  return bundledPlugins.filter(plugin => names.includes(plugin.name))
}

export function pluginCatalogOptions(plugins: readonly PluginDefinition[], _settings: Settings): CatalogOptions {
  return {
    plugins: pluginSchemas(plugins),
    vaults: new Map(),
    // Credentials exist whether or not their plugin is enabled here: a control plane may serve others that have it.
    extraEntities: bundledPlugins.flatMap(plugin => plugin.entities ?? []),
  }
}
