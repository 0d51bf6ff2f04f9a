/** Kong's file syntax: `key = value` lines, `#` comments, `\#` for a literal octothorpe. */

export interface ConfEntry {
  readonly name: string
  readonly text: string
  readonly line: number
}

export interface ConfFile {
  readonly entries: readonly ConfEntry[]
  /** Numbers of lines that are neither entry, comment nor empty. */
  readonly unreadable: readonly number[]
}

/** When a name is given twice, the last one counts. */
export function parseConfFile(text: string): ConfFile {
  const entries = new Map<string, ConfEntry>()
  const unreadable: number[] = []
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  for (const [index, raw] of lines.entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue
    const match = /^([A-Za-z_][\w.-]*)\s*=(.*)$/s.exec(line)
    if (match === null) {
      unreadable.push(index + 1)
      continue
    }
    const name = match[1]!
    entries.delete(name)
    entries.set(name, { name, text: uncomment(match[2]!), line: index + 1 })
  }
  return { entries: [...entries.values()], unreadable }
}

function uncomment(value: string): string {
  let end = 0
  while (end < value.length && !(value[end] === '#' && value[end - 1] !== '\\')) end++
  return value.slice(0, end).replaceAll('\\#', '#').trim()
}

/** One line of a file that `parseConfFile` reads back as the same text. Line breaks cannot be kept. */
export function formatConfEntry(name: string, text: string): string {
  return `${name} = ${text.replaceAll('#', '\\#')}\n`
}
