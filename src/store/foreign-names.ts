/** `{"service": {"name": "x"}}` for `{"service": {"id": …}}`: parents may be named by any of their unique fields. */
import type { EntityCatalog } from '../entities/catalog.ts'
import { fieldValidator } from '../schema/field-validator.ts'
import type { StoreReads } from './store.ts'
import { foreignKeysUnresolved } from './violations.ts'

type Input = Readonly<Record<string, unknown>>

/** Whether a parent is given by something else than its id, so that it has to be looked up. */
export function namesParents(catalog: EntityCatalog, entity: string, input: Input): boolean {
  return catalog.foreignFields(entity).some(({ field }) => {
    const given = input[field]
    return given !== null && typeof given === 'object' && !('id' in given)
  })
}

/** What names nothing that could be looked up is left to validation. */
export async function resolveForeignNames(
  catalog: EntityCatalog,
  entity: string,
  input: Input,
  reads: StoreReads,
): Promise<Input> {
  const resolved: Record<string, unknown> = {}
  const unresolved: Record<string, { by: string; value: unknown; parent: string }> = {}
  for (const { field, references } of catalog.foreignFields(entity)) {
    const given = input[field]
    if (given === null || typeof given !== 'object' || 'id' in given) continue
    for (const [by, unique] of Object.entries(references.fields)) {
      if (unique.unique !== true && by !== references.endpoint_key) continue
      const value = (given as Input)[by]
      if (value === undefined || value === null) continue
      if (fieldValidator(unique)(value, { updating: false, ignoresUnknownNulls: false, foreign: null }) !== null)
        continue
      const parent = await reads.findBy(references.name, { [by]: String(value) })
      if (parent !== null) {
        resolved[field] = { id: parent['id'] }
        delete unresolved[field]
        break
      }
      unresolved[field] = { by, value, parent: references.name }
    }
  }
  if (Object.keys(unresolved).length > 0) throw foreignKeysUnresolved(unresolved)
  return Object.keys(resolved).length === 0 ? input : { ...input, ...resolved }
}
