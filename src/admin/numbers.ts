/** Numbers of request bodies that have no schema. */

/** The number, or what is wrong with it. Form bodies carry digits. */
export function integer(value: unknown, min: number, max: number): number | string {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number)) return 'expected an integer'
  return number < min || number > max ? `value should be between ${min} and ${max}` : number
}
