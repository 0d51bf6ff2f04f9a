/** Remove, rename, replace, add and append on a table of names, as the transformer plugins do. */

export type MemberTable = Map<string, unknown>

export interface MemberSteps<Value = unknown> {
  readonly remove: readonly string[]
  readonly rename: readonly (readonly [from: string, to: string])[]
  readonly replace: readonly (readonly [name: string, value: Value])[]
  readonly add: readonly (readonly [name: string, value: Value])[]
  readonly append: readonly (readonly [name: string, value: Value])[]
}

/** Returns whether any step applied. */
export function transformMembers(table: MemberTable, steps: MemberSteps): boolean {
  // A removal counts even of what is not there: Kong writes the body again in that case too.
  let isChanged = steps.remove.length > 0 || steps.append.length > 0
  for (const name of steps.remove) table.delete(name)
  for (const [from, to] of steps.rename) {
    if (!isPresent(table, from) || from === to) continue
    table.set(to, table.get(from))
    table.delete(from)
    isChanged = true
  }
  for (const [name, value] of steps.replace) {
    if (!isPresent(table, name)) continue
    table.set(name, value)
    isChanged = true
  }
  for (const [name, value] of steps.add) {
    if (isPresent(table, name)) continue
    table.set(name, value)
    isChanged = true
  }
  for (const [name, value] of steps.append) table.set(name, appendValue(table.get(name), value))
  return isChanged
}

/** In Lua `false` is as good as absent, and JSON's null is not. */
function isPresent(table: MemberTable, name: string): boolean {
  return table.has(name) && table.get(name) !== false
}

/** A text becomes a list with the new value; anything that is no list gives way, unless all of it is kept. */
export function appendValue(current: unknown, value: unknown, keepsAny = false): unknown {
  if (Array.isArray(current)) return [...current, value]
  if (typeof current === 'string' || (keepsAny && current !== undefined)) return [current, value]
  return [value]
}
