/** Sets of keys. */
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

export const keySets = defineEntity({
  name: 'key_sets',
  admin_path: 'key-sets',
  endpoint_key: 'name',
  fields: {
    id: field.id(),
    name: field.string({ required: false, unique: true }),
    tags: typedefs.tags(),
    created_at: typedefs.autoTimestampS(),
    updated_at: typedefs.autoTimestampS(),
  },
})
