/**
 * A row and all that goes with it when it is deleted, found along the foreign keys. How deep they lead is known from the
 * definitions, so everything is asked for at once: one round trip where statements are pipelined.
 */
import type { SelectQueryBuilder } from 'kysely'
import type { EntityCatalog, ForeignReference } from '../../entities/catalog.ts'
import type { Row } from '../../entities/config.ts'
import { type Column, decodeRow, type Table } from '../../schema/columns.ts'
import { referencedBy } from '../violations.ts'
import type { Sql, SqlTables } from './engine.ts'
import type { StoredColumns } from './kept-statements.ts'
import type { Tables } from './tables.ts'

export interface Member {
  readonly table: Table
  readonly key: string
  readonly row: Row
}

export interface Family {
  /** The row itself. */
  readonly root: Member
  /** What goes, the row among it; children before parents, so that each deletion leaves the database whole. */
  readonly doomed: readonly Member[]
  /** What stays without its parent: rows as they are to be. */
  readonly orphans: readonly Member[]
}

export interface FamilyQuestion {
  readonly table: Table
  /** Primary key or another unique column. */
  readonly column: Column
  readonly value: string
  /** The row, when it was read already. */
  readonly known: Row | undefined
}

type Path = readonly ForeignReference[]

/** Null when there is no such row; rejects when a child holds it back. */
export async function familyOf(
  db: Sql,
  context: { readonly catalog: EntityCatalog; readonly tables: Tables },
  question: FamilyQuestion,
): Promise<Family | null> {
  return new Finder(db, context.catalog, context.tables, question).find()
}

class Finder {
  readonly #db: Sql
  readonly #catalog: EntityCatalog
  readonly #tables: Tables
  readonly #question: FamilyQuestion
  /** By path, then by parent. */
  readonly #found = new Map<string, ReadonlyMap<unknown, readonly StoredColumns[]>>()
  readonly #doomed = new Map<string, Member>()
  readonly #orphans: Member[] = []

  constructor(db: Sql, catalog: EntityCatalog, tables: Tables, question: FamilyQuestion) {
    this.#db = db
    this.#catalog = catalog
    this.#tables = tables
    this.#question = question
  }

  async find(): Promise<Family | null> {
    const { table } = this.#question
    const [row] = await Promise.all([this.#root(), ...this.#paths(table.name, []).map(path => this.#ask(path))])
    if (row === undefined) return null
    const root = { table, key: row[table.primary.field] as string, row }
    await this.#collect(root, [])
    return {
      root,
      doomed: [...this.#doomed.values()],
      orphans: this.#orphans.filter(orphan => !this.#doomed.has(idOf(orphan))),
    }
  }

  async #root(): Promise<Row | undefined> {
    const { table, column, value, known } = this.#question
    if (known !== undefined) return known
    const name = `row ${table.name} ${column.name}`
    const [columns] = await this.#tables.statements.run(this.#db, name, [value], () =>
      this.#db.selectFrom(table.name).selectAll().where(column.name, '=', value),
    )
    return columns === undefined ? undefined : decodeRow(table, columns)
  }

  /** Each entity once on a path: where definitions refer in a circle, the rest is asked for when it is met. */
  #paths(entity: string, before: Path): Path[] {
    return this.#catalog.references(entity).flatMap(reference => {
      const path = [...before, reference]
      const isCircle = [this.#question.table.name, ...before.map(step => step.entity.name)].includes(
        reference.entity.name,
      )
      if (isCircle) return []
      return reference.on_delete === 'cascade' ? [path, ...this.#paths(reference.entity.name, path)] : [path]
    })
  }

  async #ask(path: Path): Promise<void> {
    const { table, column, value } = this.#question
    const rows = await this.#childrenAlong(path, table, column, value)
    const parent = this.#columnOf(path.at(-1)!)
    this.#found.set(
      nameOf(path),
      Map.groupBy(rows, row => row[parent.name]),
    )
  }

  #columnOf({ entity, field }: ForeignReference): Column {
    return this.#tables.column(this.#tables.get(entity.name), field)
  }

  #childrenAlong(path: Path, table: Table, column: Column, value: string): Promise<readonly StoredColumns[]> {
    const last = path.at(-1)!
    // One child that holds its parent back is as good as all.
    const isLimited = last.on_delete === 'restrict'
    const name = `children ${table.name} ${column.name} ${nameOf(path)}`
    return this.#tables.statements.run(this.#db, name, isLimited ? [value, 1] : [value], () => {
      const query = this.#along(path, table, column, value).selectAll()
      return isLimited ? query.limit(1) : query
    })
  }

  /** Rows at the end of a path, whose first parent is the row that has the value. */
  #along(path: Path, table: Table, column: Column, value: string): SelectQueryBuilder<SqlTables, string, object> {
    const last = path.at(-1)!
    const query = this.#db.selectFrom(last.entity.name)
    const field = this.#columnOf(last).name
    if (path.length > 1) {
      const parents = this.#tables.get(path.at(-2)!.entity.name)
      return query.where(field, 'in', this.#along(path.slice(0, -1), table, column, value).select(parents.primary.name))
    }
    if (column.primary) return query.where(field, '=', value)
    const parents = this.#db.selectFrom(table.name).where(column.name, '=', value)
    return query.where(field, 'in', parents.select(table.primary.name))
  }

  async #collect(member: Member, path: Path): Promise<void> {
    for (const reference of this.#catalog.references(member.table.name)) {
      const { entity, field, on_delete } = reference
      const child = this.#tables.get(entity.name)
      const children = await this.#childrenOf(member, [...path, reference])
      if (on_delete === 'restrict' && children.length > 0) throw referencedBy(member.table.name, child.name)
      for (const columns of children) {
        const key = columns[child.primary.name] as string
        if (this.#doomed.has(idOf({ table: child, key }))) continue
        const row = decodeRow(child, columns)
        if (on_delete === 'null') this.#orphans.push({ table: child, key, row: { ...row, [field]: null } })
        else await this.#collect({ table: child, key, row }, [...path, reference])
      }
    }
    this.#doomed.set(idOf(member), member)
  }

  async #childrenOf(member: Member, path: Path): Promise<readonly StoredColumns[]> {
    const found = this.#found.get(nameOf(path))
    if (found !== undefined) return found.get(member.key) ?? []
    return this.#childrenAlong(path.slice(-1), member.table, member.table.primary, member.key)
  }
}

function idOf({ table, key }: Pick<Member, 'table' | 'key'>): string {
  return `${table.name} ${key}`
}

function nameOf(path: Path): string {
  return path.map(({ entity, field }) => `${entity.name}.${field}`).join(' ')
}
