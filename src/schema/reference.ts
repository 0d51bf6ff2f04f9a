/** Tells vault references (`{vault://env/name}`) from plain text. */

/** The whole text must be the reference; anything around it makes it plain text. */
export function isReference(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('{vault://') && value.endsWith('}') && value.length > 10
}
