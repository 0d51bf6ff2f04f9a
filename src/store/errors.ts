/** What a store or the repository can refuse, by Kong's codes (kong/db/errors.lua, 3.9), and the HTTP status of each. */

export const STORE_ERRORS = {
  invalid_primary_key: { code: 1, name: 'invalid primary key', status: 400 },
  schema_violation: { code: 2, name: 'schema violation', status: 400 },
  primary_key_violation: { code: 3, name: 'primary key violation', status: 400 },
  foreign_key_violation: { code: 4, name: 'foreign key violation', status: 400 },
  unique_violation: { code: 5, name: 'unique constraint violation', status: 409 },
  not_found: { code: 6, name: 'not found', status: 404 },
  invalid_offset: { code: 7, name: 'invalid offset', status: 400 },
  database_error: { code: 8, name: 'database error', status: 500 },
  invalid_size: { code: 9, name: 'invalid size', status: 400 },
  invalid_unique: { code: 10, name: 'invalid unique', status: 400 },
  invalid_options: { code: 11, name: 'invalid options', status: 400 },
  operation_unsupported: { code: 12, name: 'operation unsupported', status: 405 },
  foreign_keys_unresolved: { code: 13, name: 'foreign keys unresolved', status: 400 },
  declarative_config: { code: 14, name: 'invalid declarative configuration', status: 400 },
  transformation_error: { code: 15, name: 'transformation error', status: 500 },
  invalid_foreign_key: { code: 16, name: 'invalid foreign key', status: 400 },
  referenced_by_others: { code: 19, name: 'referenced by others', status: 400 },
} as const

export type StoreErrorKind = keyof typeof STORE_ERRORS

/** An expected failure; `message` and `fields` are what the Admin API's client sees, so never a secret. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly kind: StoreErrorKind
  readonly fields: Readonly<Record<string, unknown>> | undefined
  /** Kong's name of the error, where it says more than the kind's (`invalid unique name`). */
  readonly label: string | undefined
  constructor(
    kind: StoreErrorKind,
    message: string,
    fields?: Readonly<Record<string, unknown>>,
    cause?: unknown,
    label?: string,
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
    this.fields = fields
    this.label = label
  }
}

/** The error as the Admin API prints it: `{ code, name, message, fields }`, or `options` for `invalid_options`. */
export function errorBody(error: StoreError): Record<string, unknown> {
  const { code, name } = STORE_ERRORS[error.kind]
  const body: Record<string, unknown> = { code, name: error.label ?? name, message: error.message }
  if (error.fields !== undefined) body[error.kind === 'invalid_options' ? 'options' : 'fields'] = error.fields
  return body
}
