/** Says in the log when a write uses a deprecated field, so that it is found before a version does without it. */
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from '../base/logger.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { ShorthandField } from '../schema/entity.ts'
import type { Deprecation, Field, Fields } from '../schema/field.ts'
import type { Input, Repository } from './repository.ts'

/** The same repository; each warning comes after its write. As in Kong, the value of before the deprecation is none. */
export function warningOfDeprecated(
  repository: Repository,
  { catalog, log }: { readonly catalog: EntityCatalog; readonly log: Logger },
): Repository {
  function note<R extends Readonly<Record<string, unknown>>>(entity: string, row: R, input: Input): R {
    const found = catalog.subschema(entity, row)
    const chosen = found === null || 'errors' in found ? {} : found.fields
    for (const { message, removal_in_version } of used({ ...catalog.get(entity).fields, ...chosen }, input)) {
      log.warn(message, removal_in_version === undefined ? undefined : { removal_in_version })
    }
    return row
  }
  return {
    ...repository,
    insert: async (entity, input) => note(entity, await repository.insert(entity, input), input),
    update: async (entity, key, input) => note(entity, await repository.update(entity, key, input), input),
    upsert: async (entity, key, input) => note(entity, await repository.upsert(entity, key, input), input),
  }
}

function* used(
  fields: Fields,
  values: Readonly<Record<string, unknown>>,
  shorthands: readonly ShorthandField[] = [],
): Generator<Deprecation> {
  const known = new Map<string, Field>(Object.entries(fields))
  for (const { name, field } of shorthands) known.set(name, field as Field)
  for (const [name, value] of Object.entries(values)) {
    const field = known.get(name)
    if (field === undefined || value === undefined || value === null) continue
    const { deprecation } = field
    const isUsed = deprecation?.old_default === undefined || !isDeepStrictEqual(value, deprecation.old_default)
    if (deprecation !== undefined && isUsed) yield deprecation
    if (field.type !== 'record' || typeof value !== 'object' || Array.isArray(value)) continue
    const nested = field.shorthand_fields as readonly ShorthandField[] | undefined
    yield* used(field.fields ?? {}, value as Readonly<Record<string, unknown>>, nested)
  }
}
