/** All that the gateway can be configured with: every bundled plugin and vault, and routes with expressions. */
import { createCatalog } from '../src/entities/catalog.ts'
import { pluginEntities, pluginSchemas } from '../src/plugins/bundled.ts'
import envVault from '../src/vaults/env.ts'

export const bundledCatalog = createCatalog({
  plugins: pluginSchemas({ clusterPolicy: true }),
  vaults: new Map([['env', envVault.config]]),
  extraEntities: pluginEntities,
  router_flavor: 'expressions',
})
