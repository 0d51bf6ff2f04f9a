/** Facts about the cluster as a whole, such as its id. */
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

export const parameters = defineEntity({
  name: 'parameters',
  primary_key: ['key'],
  cache_key: ['key'],
  workspaceable: false,
  generate_admin_api: false,
  fields: {
    created_at: typedefs.autoTimestampS(),
    key: field.string({ required: true, unique: true }),
    value: field.string({ required: true }),
  },
})
