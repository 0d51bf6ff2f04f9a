/** From a request body to the members of an entity, typed by its schema where the body carries only text. */
import type { EntityCatalog } from '../entities/catalog.ts'
import { decodeFormArguments, inferArguments } from '../schema/form-arguments.ts'
import type { EntityDefinition } from '../schema/entity.ts'
import type { RequestBody } from './endpoint.ts'

export interface InputOptions {
  readonly catalog: EntityCatalog
  readonly definition: EntityDefinition
  /** A stored row that says which subschema a PATCH is about, when the body does not. */
  readonly existing?: Readonly<Record<string, unknown>> | null
}

/** A fresh object: the caller may add members to it. */
export function entityInput(
  body: RequestBody,
  { catalog, definition, existing }: InputOptions,
): Record<string, unknown> {
  if (body.kind === 'json') return { ...body.value }
  if (body.kind !== 'form') return {}
  const structured = decodeFormArguments(body.pairs)
  const key = definition.subschema_key
  const chosenBy =
    key === undefined || structured[key] !== undefined ? structured : { ...structured, [key]: existing?.[key] }
  const subschema = catalog.subschema(definition.name, chosenBy)
  const fields =
    subschema === null || 'errors' in subschema ? definition.fields : { ...definition.fields, ...subschema.fields }
  return inferArguments(structured, fields, definition.shorthand_fields)
}
