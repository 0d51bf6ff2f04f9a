/** The statements that make a table, in the part of SQL that SQLite and PostgreSQL share. */
import { CACHE_KEY_COLUMN, type Column, type Table, TTL_FIELD } from '../../schema/columns.ts'

const SQL_TYPES = {
  text: 'text',
  integer: 'bigint',
  double: 'double precision',
  boolean: 'smallint',
  json: 'text',
} as const

/** `primaryOf` names the primary key column of a referenced entity. */
export function createTableStatements(table: Table, primaryOf: (entity: string) => string): string[] {
  const lines = table.columns.map(column => `  ${columnDefinition(column, primaryOf)}`)
  if (table.cacheKey !== null) lines.push(`  "${CACHE_KEY_COLUMN}" text not null unique`)
  const statements = [`create table "${table.name}" (\n${lines.join(',\n')}\n)`]
  for (const column of table.columns) {
    if (column.references === null) continue
    // Children are listed below their parent and looked for when it is deleted.
    statements.push(
      `create index "${table.name}_${column.name}_idx" on "${table.name}" ("${column.name}", "${table.primary.name}")`,
    )
  }
  if (table.ttl) statements.push(`create index "${table.name}_${TTL_FIELD}_idx" on "${table.name}" ("${TTL_FIELD}")`)
  return statements
}

function columnDefinition(column: Column, primaryOf: (entity: string) => string): string {
  let text = `"${column.name}" ${SQL_TYPES[column.kind]}`
  if (column.primary) text += ' not null primary key'
  else if (column.unique) text += ' unique'
  if (column.references !== null) {
    text += ` references "${column.references}" ("${primaryOf(column.references)}")`
    // Cascades are carried out row by row, since each deletion belongs in the change log. The database's own are for
    // rows of plugins that are not enabled: nobody else knows of them, and they must not hold their consumer back.
    if (column.onDelete !== 'restrict') text += ` on delete ${column.onDelete === 'null' ? 'set null' : 'cascade'}`
  }
  return text
}
