/** Plugin instances: what is done with requests, and where. `config` is described by the plugin that `name` names. */
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

const scope = (reference: string, description: string) =>
  field.foreign(reference, { default: null, on_delete: 'cascade', description })

export const plugins = defineEntity({
  name: 'plugins',
  endpoint_key: 'instance_name',
  cache_key: ['name', 'route', 'service', 'consumer'],
  subschema_key: 'name',
  fields: {
    id: field.id(),
    name: field.string({ required: true, description: 'Which plugin.' }),
    instance_name: typedefs.utf8Name(),
    created_at: typedefs.autoTimestampS(),
    updated_at: typedefs.autoTimestampS(),
    route: scope('routes', 'Only for requests of this route.'),
    service: scope('services', 'Only for requests to this service.'),
    consumer: scope('consumers', 'Only for requests of this consumer.'),
    config: field.record({}, { abstract: true, description: 'Settings of the plugin.' }),
    protocols: typedefs.protocols(),
    enabled: field.boolean({ required: true, default: true, description: 'Disabled instances do nothing.' }),
    tags: typedefs.tags(),
  },
})
