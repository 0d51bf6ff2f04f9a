/** Which columns a violated constraint is about: by its name, since messages are in the server's language. */
import type { ConstraintBreach } from '../sql/engine.ts'
import type { Connection } from './connection.ts'

const query = `
  select r.relname as "table", c.conname as "name", array_to_json(array(
    select a.attname from unnest(c.conkey) with ordinality as k(number, position)
    join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.number order by k.position
  ))::text as "columns"
  from pg_constraint c join pg_class r on r.oid = c.conrelid join pg_namespace n on n.oid = r.relnamespace
  where c.contype in ('u', 'p') and n.nspname = current_schema()`

/** `table constraint` → columns. */
export type Constraints = ReadonlyMap<string, readonly string[]>

export async function readConstraints(connection: Connection): Promise<Constraints> {
  const { rows } = await connection.query(query)
  return new Map(rows.map(row => [`${row['table']} ${row['name']}`, JSON.parse(row['columns'] as string)]))
}

interface PostgresError {
  readonly code?: string
  readonly table?: string
  readonly constraint?: string
}

export function breachOf(error: unknown, constraints: Constraints): ConstraintBreach | null {
  const { code, table = null, constraint } = error as PostgresError
  if (code === '23503') return { kind: 'foreign', table, columns: [] }
  if (code !== '23505') return null
  return { kind: 'unique', table, columns: constraints.get(`${table} ${constraint}`) ?? [] }
}
