/** Every core entity of a node, parents before children. */
import type { EntityDefinition } from '../schema/entity.ts'
import { caCertificates } from './ca-certificates.ts'
import { certificates } from './certificates.ts'
import { clusteringDataPlanes } from './clustering-data-planes.ts'
import { consumers } from './consumers.ts'
import { filterChains } from './filter-chains.ts'
import { keySets } from './key-sets.ts'
import { keys } from './keys.ts'
import { parameters } from './parameters.ts'
import { plugins } from './plugins.ts'
import { type RouterFlavor, routesFor } from './routes.ts'
import { services } from './services.ts'
import { snis } from './snis.ts'
import { tags } from './tags.ts'
import { targets } from './targets.ts'
import { upstreams } from './upstreams.ts'
import { vaultsFor } from './vaults.ts'
import { workspaces } from './workspaces.ts'

export interface CoreEntityOptions {
  readonly router_flavor: RouterFlavor
  /** Names of the vault types. */
  readonly vaults: readonly string[]
}

/** Plain definitions: the options decide a few fields of routes and vaults. */
export function coreEntities({ router_flavor, vaults }: CoreEntityOptions): readonly EntityDefinition[] {
  return [
    workspaces,
    parameters,
    tags,
    clusteringDataPlanes,
    caCertificates,
    certificates,
    keySets,
    vaultsFor(vaults),
    consumers,
    upstreams,
    services,
    snis,
    keys,
    targets,
    routesFor(router_flavor),
    plugins,
    filterChains,
  ].map(definition => definition as EntityDefinition)
}
