/** What an entity is: plain data, from which every reader of the schema derives its own form. */
import type { Fields, RecordOf } from './field.ts'

/** A rule across fields, in Kong's names (`entity_checks` in `/schemas/*`); evaluated by entity-checks.ts. */
export type EntityCheck = Readonly<Record<string, unknown>>

/** Members (dots lead into records) that a transformation reads: all of `input` or none, and `needs` with them. */
export interface TransformInput {
  readonly input: readonly string[]
  readonly needs?: readonly string[]
}

/** An input-only field, or an old name of a field, that expands into others. */
export interface ShorthandField {
  readonly name: string
  readonly field: { readonly type: string; readonly [attribute: string]: unknown }
  /** From the given value to members of the entity. */
  expand(value: unknown): Record<string, unknown>
  /** Present when the old name is still shown on reads: where its value comes from. */
  readonly replacedBy?: { readonly path: readonly string[] }
}

export interface EntityDefinition<F extends Fields = Fields> {
  /** Kong's name, plural: `services`, `keyauth_credentials`. Also the key in declarative files. */
  readonly name: string
  /** First path segment of the Admin API; `name` with `-` for `_` is not assumed. Default: `name`. */
  readonly admin_path?: string
  /** Segment below a parent, where it differs from `admin_path`: `key-auth` in `/consumers/{c}/key-auth`. */
  readonly admin_nested_path?: string
  /** The unique field that may stand in URLs for the id. */
  readonly endpoint_key?: string
  /** Default `['id']`. Always one field. */
  readonly primary_key?: readonly [string]
  /** With two or more fields: unique as a tuple (plugins, acls, keys, targets); order as in Kong. */
  readonly cache_key?: readonly string[]
  /** Rows may carry `ttl`, and vanish when it has passed. */
  readonly ttl?: boolean
  /** False: internal, never in declarative files nor sent to data planes. Default true. */
  readonly db_export?: boolean
  /** False: no generated endpoints. Default true. */
  readonly generate_admin_api?: boolean
  /** Belongs to a workspace (only `default` exists); unique values are per workspace. Default true. */
  readonly workspaceable?: boolean
  readonly fields: F
  readonly entity_checks?: readonly EntityCheck[]
  readonly shorthand_fields?: readonly ShorthandField[]
  /** Which further definition applies: `plugins` by `name`, `routes` by protocol. Resolved by the catalog. */
  readonly subschema_key?: string
  /** Rules that need code: run on the whole row after fields and checks; returns errors by field (`@entity` for the whole). */
  readonly validate?: (row: Readonly<Record<string, unknown>>) => Record<string, unknown> | null
  /** What `transform` reads, checked before it runs. */
  readonly transform_inputs?: readonly TransformInput[]
  /** Changes a valid row before it is stored (hashing a password); never run when `_transform` is false. */
  readonly transform?: (
    row: Record<string, unknown>,
    input: Readonly<Record<string, unknown>>,
  ) => Record<string, unknown>
}

export function defineEntity<const F extends Fields>(definition: EntityDefinition<F>): EntityDefinition<F> {
  return definition
}
export type EntityOf<D> = D extends EntityDefinition<infer F> ? RecordOf<F> : never
export type UniqueField<F extends Fields> = { [N in keyof F]: F[N] extends { unique: true } ? N : never }[keyof F]
