/** `kong config diff`: what a file would change in a node, or in another file. */
import { diffConfigurations, type EntityChange, type FieldChange } from '../declarative/diff.ts'
import type { NamedRow } from '../declarative/naming.ts'
import type { Settings } from '../settings/definition.ts'
import type { CommandContext, Invocation } from './command.ts'
import { EXIT } from './config-lint.ts'
import { adminAccess, fetchRows, readConfiguration } from './configuration-input.ts'

const SIGN = { add: '+', change: '~', remove: '-' } as const

/** With two files: from the first to the second. With one: from what the node has to the file. */
export async function diffFiles(
  settings: Settings,
  first: string,
  invocation: Invocation,
  context: CommandContext,
): Promise<number> {
  const { positionals, options } = invocation
  const second = positionals[1]
  const wanted = await readConfiguration(settings, second ?? first, context)
  const access = second === undefined ? adminAccess(invocation, settings, context) : null
  const before: readonly NamedRow[] =
    access === null ? (await readConfiguration(settings, first, context)).rows : await fetchRows(access, wanted.catalog)
  const tags = options['select-tag']?.split('\n')
  const changes = diffConfigurations(wanted.catalog, tagged(before, tags), wanted.rows)
  if (options['json'] !== undefined) context.terminal.printRaw(JSON.stringify({ changes: changes.map(masked) }))
  else print(changes, context)
  return changes.length === 0 ? EXIT.same : EXIT.found
}

/** Entities without the tags are somebody else's, and stay. */
function tagged(rows: readonly NamedRow[], tags: readonly string[] | undefined): readonly NamedRow[] {
  if (tags === undefined) return rows
  return rows.filter(({ row }) => tags.every(tag => ((row['tags'] ?? []) as readonly string[]).includes(tag)))
}

function print(changes: readonly EntityChange[], { terminal }: CommandContext): void {
  for (const { kind, label, fields } of changes) {
    terminal.print(`${SIGN[kind]} ${label}`)
    for (const field of fields) terminal.print(`    ${field.path}: ${shown(field, 'from')} -> ${shown(field, 'to')}`)
  }
  const count = (wanted: EntityChange['kind']) => changes.filter(({ kind }) => kind === wanted).length
  terminal.print(
    changes.length === 0
      ? 'no changes'
      : `${count('add')} to add, ${count('change')} to change, ${count('remove')} to remove`,
  )
}

function shown(field: FieldChange, side: 'from' | 'to'): string {
  const value = field[side]
  return field.isSecret && value !== null ? '(secret)' : (JSON.stringify(value) ?? 'null')
}

function masked(change: EntityChange) {
  const hide = (value: unknown, isSecret: boolean) => (isSecret && value !== null ? '(secret)' : value)
  return {
    ...change,
    fields: change.fields.map(({ path, from, to, isSecret }) => {
      return { path, from: hide(from, isSecret), to: hide(to, isSecret) }
    }),
  }
}
