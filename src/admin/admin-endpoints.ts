/** All endpoints of the Admin API: those of the entities, then what is special. */
import type { AdminOptions } from './admin-options.ts'
import { crudEndpoints } from './crud.ts'
import type { Endpoint } from './endpoint.ts'
import { adminTokenEndpoints } from './routes/admin-tokens.ts'
import { auditLogEndpoints } from './routes/audit-log.ts'
import { cacheEndpoints } from './routes/cache.ts'
import { certificateEndpoints } from './routes/certificates.ts'
import { clusteringEndpoints } from './routes/clustering.ts'
import { configEndpoints } from './routes/config.ts'
import { consumerEndpoints } from './routes/consumers.ts'
import { filterChainEndpoints } from './routes/filter-chains.ts'
import { logLevelEndpoints } from './routes/log-level.ts'
import { metricsEndpoints } from './routes/metrics.ts'
import { nodeEndpoints } from './routes/node.ts'
import { openApiEndpoints } from './routes/openapi.ts'
import { pluginEndpoints } from './routes/plugins.ts'
import { schemaEndpoints } from './routes/schemas.ts'
import { statusEndpoints } from './routes/status.ts'
import { tagEndpoints } from './routes/tags.ts'
import { targetEndpoints } from './routes/targets.ts'
import { targetHealthEndpoints } from './routes/target-health.ts'
import { trustEndpoints } from './routes/trust.ts'

/** Generated from their definitions, but not served: targets and their like are reached through their parent only. */
const unserved = /^\/targets(\/|$)|^\/snis\/[^/]+\/certificate$/

/** Later ones replace the methods of earlier ones at the same path. */
const special = [
  consumerEndpoints,
  certificateEndpoints,
  filterChainEndpoints,
  targetEndpoints,
  targetHealthEndpoints,
  pluginEndpoints,
  schemaEndpoints,
  tagEndpoints,
  statusEndpoints,
  metricsEndpoints,
  cacheEndpoints,
  logLevelEndpoints,
  configEndpoints,
  clusteringEndpoints,
  trustEndpoints,
  adminTokenEndpoints,
  auditLogEndpoints,
]

export function adminEndpoints(options: AdminOptions): readonly Endpoint[] {
  const { repository, catalog, random } = options
  const byPath = new Map<string, Endpoint>()
  for (const endpoint of crudEndpoints({ repository, catalog, uuid: random.uuid })) {
    if (!unserved.test(endpoint.path)) byPath.set(endpoint.path, endpoint)
  }
  for (const endpointsOf of special) {
    for (const endpoint of endpointsOf(options, byPath)) {
      const methods = { ...byPath.get(endpoint.path)?.methods, ...endpoint.methods }
      byPath.set(endpoint.path, { ...byPath.get(endpoint.path), ...endpoint, methods })
    }
  }
  // Last, because `/endpoints` lists all the others.
  for (const endpoint of nodeEndpoints(options, byPath)) byPath.set(endpoint.path, endpoint)
  for (const endpoint of openApiEndpoints(options, byPath)) byPath.set(endpoint.path, endpoint)
  return [...byPath.values()]
}
