/** Workspaces; the open-source gateway has one, `default`. */
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

/** The id of `default` where no database gave it one; Kong's constant. */
export const DEFAULT_WORKSPACE_ID = '0dc6f45b-8f8d-40d2-a504-473544ee190b'

/** Names that would make a URL ambiguous. */
const CORE_ENTITIES = [
  'workspaces',
  'consumers',
  'certificates',
  'services',
  'routes',
  'snis',
  'upstreams',
  'targets',
  'plugins',
  'tags',
  'ca_certificates',
  'clustering_data_planes',
  'parameters',
  'vaults',
  'key_sets',
  'keys',
  'filter_chains',
]

export const workspaces = defineEntity({
  name: 'workspaces',
  endpoint_key: 'name',
  cache_key: ['name'],
  workspaceable: false,
  generate_admin_api: false,
  fields: {
    id: field.id(),
    name: typedefs.utf8Name({ required: true, not_one_of: CORE_ENTITIES }),
    comment: field.string(),
    created_at: typedefs.autoTimestampS(),
    updated_at: typedefs.autoTimestampS(),
    meta: field.record({}),
    config: field.record({}),
  },
})
