/** All numbered migrations together make the tables that the definitions ask for. */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { createCatalog } from '../../src/entities/catalog.ts'
import { bundledPlugins } from '../../src/plugins/bundled.ts'
import { MIGRATIONS } from '../../src/store/migrations/all.ts'
import { createTableStatements } from '../../src/store/sql/ddl.ts'
import { Tables } from '../../src/store/sql/tables.ts'

test('MIGRATIONS make the tables that follow from the definitions of core entities and bundled plugins', () => {
  // With this flavour routes have the most fields.
  const extraEntities = bundledPlugins.flatMap(({ entities = [] }) => entities)
  const tables = new Tables(createCatalog({ extraEntities, router_flavor: 'expressions' }))
  const derived = new DatabaseSync(':memory:')
  const statements = tables.list.flatMap(table => createTableStatements(table, name => tables.get(name).primary.name))
  for (const statement of statements) derived.exec(statement)
  const migrated = new DatabaseSync(':memory:')
  for (const migration of MIGRATIONS) for (const statement of migration.statements) migrated.exec(statement)
  const names = tables.list.map(({ name }) => name)
  for (const name of names) assert.deepEqual(shapeOf(migrated, name), shapeOf(derived, name), `table ${name}`)
})

test('MIGRATIONS are numbered from 1 without gaps', () => {
  assert.deepEqual(
    MIGRATIONS.map(({ number }) => number),
    MIGRATIONS.map((_, index) => index + 1),
  )
})

/** Columns, keys and indexes, whatever the statements that made them. */
function shapeOf(database: DatabaseSync, table: string): object {
  const pragma = (text: string) => database.prepare(`pragma ${text}`).all()
  const byName = (a: Record<string, unknown>, b: Record<string, unknown>) =>
    String(a['name'] ?? a['from']) < String(b['name'] ?? b['from']) ? -1 : 1
  const columns = pragma(`table_info("${table}")`).map(({ name, type, notnull, pk }) => ({ name, type, notnull, pk }))
  const references = pragma(`foreign_key_list("${table}")`).map(({ from, table: to, to: column, on_delete }) => ({
    from,
    to,
    column,
    on_delete,
  }))
  const indexes = pragma(`index_list("${table}")`).map(({ name, unique, origin }) => ({
    name: origin === 'c' ? name : origin,
    unique,
    columns: pragma(`index_info("${name}")`).map(member => member['name']),
  }))
  return {
    columns: columns.sort(byName),
    references: references.sort(byName),
    indexes: indexes.map(index => JSON.stringify(index)).sort(),
  }
}
