/** Tags: a read-only view of which entities carry which tag. */
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

export const tags = defineEntity({
  name: 'tags',
  primary_key: ['tag'],
  endpoint_key: 'tag',
  db_export: false,
  workspaceable: false,
  fields: {
    tag: typedefs.tag(),
    entity_name: field.string({ required: true, description: 'What kind of entity carries the tag.' }),
    entity_id: field.string({ uuid: true, auto: true, required: true }),
  },
})
