/** What validating a field yields, and what it depends on besides the value. */

/** A text, or errors by member; positions of an array without error are null. */
export type FieldError = string | { readonly [member: string]: unknown } | readonly unknown[]

export interface ValidatorScope {
  /** PATCH: some texts say "when updating". */
  readonly updating: boolean
  /** Rows from a newer or older node: unknown members that are null are let through. */
  readonly ignoresUnknownNulls: boolean
  /** Errors in the fields of an entity that a foreign field was given instead of its id; null: none, or unknown. */
  readonly foreign: ForeignCheck | null
}

export type ForeignCheck = (
  entity: string,
  value: Record<string, unknown>,
  scope: ValidatorScope,
) => Record<string, unknown> | null

export type FieldValidator = (value: unknown, scope: ValidatorScope) => FieldError | null
