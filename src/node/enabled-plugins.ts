/** Which plugins a node has, and the entity catalog that follows from them. */
import { type CatalogOptions, createCatalog, type EntityCatalog } from '../entities/catalog.ts'
import { bundledPlugins, pluginEntities, pluginSchemas } from '../plugins/bundled.ts'
import type { PluginDefinition } from '../sdk/sdk.ts'
import type { Settings } from '../settings/definition.ts'
import envVault from '../vaults/env.ts'

/** From the setting `plugins`: `bundled`, names, or `off`. */
export function enabledPlugins(names: readonly string[]): readonly PluginDefinition[] {
  if (names.length === 0 || names[0] === 'off') return []
  if (names.includes('bundled')) return bundledPlugins
  return bundledPlugins.filter(plugin => names.includes(plugin.name))
}

export function nodeCatalog(settings: Settings): EntityCatalog {
  return createCatalog(catalogOptions(settings))
}

function catalogOptions(settings: Settings): CatalogOptions {
  const names = new Set(enabledPlugins(settings.plugins).map(plugin => plugin.name))
  // Kong's rule: counters in the database need a database on the node that proxies.
  const clusterPolicy = settings.role === 'traditional' && settings.storage !== 'memory'
  return {
    plugins: pluginSchemas({ clusterPolicy }).filter(schema => names.has(schema.name)),
    vaults: new Map([['env', envVault.config]]),
    // Credentials exist whether or not their plugin is enabled here: a control plane may serve others that have it.
    extraEntities: pluginEntities,
    router_flavor: settings.router_flavor,
  }
}
