/** Consumers: who uses the services. */
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

export const consumers = defineEntity({
  name: 'consumers',
  endpoint_key: 'username',
  fields: {
    id: field.id(),
    created_at: typedefs.autoTimestampS(),
    updated_at: typedefs.autoTimestampS(),
    username: field.string({ unique: true, description: 'Needed unless there is a `custom_id`.' }),
    custom_id: field.string({ unique: true, description: 'The id of the consumer in a system of yours.' }),
    tags: typedefs.tags(),
  },
  entity_checks: [{ at_least_one_of: ['custom_id', 'username'] }],
})
