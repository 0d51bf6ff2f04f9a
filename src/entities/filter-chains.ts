/** Chains of WebAssembly filters. No filter can be installed, so none is ever valid; the definition is for clients. */
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

const scope = (reference: string) => field.foreign(reference, { on_delete: 'cascade', default: null, unique: true })

export const filterChains = defineEntity({
  name: 'filter_chains',
  admin_path: 'filter-chains',
  endpoint_key: 'name',
  cache_key: ['route', 'service'],
  fields: {
    id: field.id(),
    name: typedefs.utf8Name(),
    enabled: field.boolean({ required: true, default: true }),
    route: scope('routes'),
    service: scope('services'),
    filters: field.array(
      field.record({
        name: field.string({ required: true, one_of: [], err: 'no such filter' }),
        enabled: field.boolean({ required: true, default: true }),
        config: field.json({ required: false }),
      }),
      { required: true, len_min: 1 },
    ),
    created_at: typedefs.autoTimestampS(),
    updated_at: typedefs.autoTimestampS(),
    tags: typedefs.tags(),
  },
  entity_checks: [
    { mutually_exclusive: ['service', 'route'] },
    { at_least_one_of: ['service', 'route'] },
    {
      custom_entity_check: {
        field_sources: ['filters'],
        run_with_invalid_fields: true,
        fn: () => 'wasm support is not enabled',
      },
    },
  ],
})
