/** From what somebody sent to a whole, valid row, or to errors by field. */
import type { EntityDefinition } from './entity.ts'

/** `{ field: message }`, nested for records and arrays; `@entity` holds messages on the whole. */
export type FieldErrors = { readonly [field: string]: unknown }
export type Validation =
  | { readonly ok: true; readonly row: Record<string, unknown> }
  | { readonly ok: false; readonly errors: FieldErrors }

export interface ValidateContext {
  /** `insert`, `upsert`: defaults and auto fields are filled. `update`: `existing` is merged with the input (PATCH). `stored`: a row from a control plane or saved configuration: nothing is filled, unknown null fields are ignored. */
  readonly operation: 'insert' | 'upsert' | 'update' | 'stored'
  readonly existing?: Readonly<Record<string, unknown>>
  /** Seconds with millisecond fraction where the entity keeps one. */
  readonly nowMs: number
  readonly uuid: () => string
  readonly randomBytes: (count: number) => Buffer
  /** The definition that the subschema key selects: its fields replace or add to the entity's. */
  readonly subschema?: (row: Readonly<Record<string, unknown>>) => Subschema | { readonly errors: FieldErrors } | null
}

export interface Subschema {
  readonly fields: EntityDefinition['fields']
  readonly entity_checks?: EntityDefinition['entity_checks']
  readonly shorthand_fields?: EntityDefinition['shorthand_fields']
}

export declare function validate(
  definition: EntityDefinition,
  input: Readonly<Record<string, unknown>>,
  context: ValidateContext,
): Validation
