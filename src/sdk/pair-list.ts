/** The `name:value` entries that transformer plugins are configured with. */

export interface Pair {
  readonly name: string
  /** Empty when the entry is a bare name. */
  readonly value: string
}

/** Kong's reading: the name ends at the first colon, and further colons right after it are skipped. */
export function parsePair(entry: string): Pair {
  const [, name = '', value = ''] = /^([^:]*):*([\s\S]*)$/.exec(entry)!
  return { name, value }
}

export function parsePairs(entries: readonly string[]): Pair[] {
  return entries.map(parsePair)
}

const headerName = /^[a-zA-Z0-9-_]+$/

/** A message when the name of an entry cannot be a header's, or null. */
export function headerPairError(entry: string): string | null {
  const { name } = parsePair(entry)
  return headerName.test(name) ? null : `'${name}' is not a valid header`
}

/** The same for both sides of a `old:new` entry. */
export function headerRenameError(entry: string): string | null {
  const { value } = parsePair(entry)
  return headerPairError(entry) ?? (headerName.test(value) ? null : `'${value}' is not a valid header`)
}
