/** Vaults: where `{vault://prefix/…}` references are looked up. `config` is described by the vault type `name`. */
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

/** A prefix may not be the name of a vault type, which can be used without an entity. */
export function vaultsFor(installed: readonly string[]) {
  return defineEntity({
    name: 'vaults',
    endpoint_key: 'prefix',
    cache_key: ['prefix'],
    subschema_key: 'name',
    fields: {
      id: field.id(),
      prefix: field.string({
        required: true,
        unique: true,
        unique_across_ws: true,
        match: '^[a-z][a-z%d-]-[a-z%d]+$',
        not_one_of: installed,
        description: 'What references begin with.',
      }),
      name: field.string({ required: true, description: 'Which type of vault.' }),
      description: field.string(),
      config: field.record({}, { abstract: true, description: 'Settings of the vault.' }),
      created_at: typedefs.autoTimestampS(),
      updated_at: typedefs.autoTimestampS(),
      tags: typedefs.tags(),
    },
  })
}
