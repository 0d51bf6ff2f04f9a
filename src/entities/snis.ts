/** Server names, each with the certificate shown for it. */
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

export const snis = defineEntity({
  name: 'snis',
  endpoint_key: 'name',
  fields: {
    id: field.id(),
    name: typedefs.wildcardHost({ required: true, unique: true, unique_across_ws: true }),
    created_at: typedefs.autoTimestampS(),
    updated_at: typedefs.autoTimestampS(),
    tags: typedefs.tags(),
    certificate: field.foreign('certificates', { required: true }),
  },
})
