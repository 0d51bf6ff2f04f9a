/** Data planes as the control planes saw them last. */
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

export const SYNC_STATUSES = [
  'unknown',
  'normal',
  'kong_version_incompatible',
  'plugin_set_incompatible',
  'plugin_version_incompatible',
  'filter_set_incompatible',
] as const

export const clusteringDataPlanes = defineEntity({
  name: 'clustering_data_planes',
  admin_path: 'clustering/data-planes',
  ttl: true,
  db_export: false,
  generate_admin_api: false,
  workspaceable: false,
  fields: {
    id: field.string({ uuid: true, auto: true, required: true }),
    last_seen: typedefs.autoTimestampS(),
    updated_at: typedefs.autoTimestampS(),
    ip: typedefs.ip({ required: true }),
    config_hash: field.string({ len_eq: 32 }),
    hostname: typedefs.host({ required: true }),
    version: typedefs.semanticVersion(),
    sync_status: field.string({ required: true, one_of: SYNC_STATUSES, default: 'unknown' }),
    labels: field.map(field.string(), field.string()),
    cert_details: field.record({ expiry_timestamp: field.number({ timestamp: true, required: false }) }),
    rpc_capabilities: field.set(field.string()),
  },
})
