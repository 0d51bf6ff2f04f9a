/** What would have to be added, changed and removed to make one configuration of another. */
import { isDeepStrictEqual } from 'node:util'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import { isObject } from '../schema/defaults.ts'
import type { Field, Fields } from '../schema/field.ts'
import { type NamedRow, Naming } from './naming.ts'

export interface FieldChange {
  /** Dots lead into records. */
  readonly path: string
  readonly from: unknown
  readonly to: unknown
  /** Values are not to be shown. */
  readonly isSecret: boolean
}

export interface EntityChange {
  readonly kind: 'add' | 'change' | 'remove'
  readonly entity: string
  /** `route hello (service sample)`. */
  readonly label: string
  readonly fields: readonly FieldChange[]
}

/** Given by the gateway, or by whoever wrote the file, but not part of what is configured. */
const UNCOMPARED = new Set(['id', 'created_at', 'updated_at', 'ws_id', 'ttl'])
/** Of the gateway itself. */
const INTERNAL = new Set(['workspaces', 'parameters', 'clustering_data_planes', 'tags'])

/** Entities are the same when their names are, or their ids. In the order of the catalog: parents before children. */
export function diffConfigurations(
  catalog: EntityCatalog,
  from: readonly NamedRow[],
  to: readonly NamedRow[],
): EntityChange[] {
  const names = { from: new Naming(catalog, from), to: new Naming(catalog, to) }
  const old = Map.groupBy(from, ({ entity }) => entity)
  const wanted = Map.groupBy(to, ({ entity }) => entity)
  const changes: EntityChange[] = []
  for (const { name } of catalog.definitions) {
    if (INTERNAL.has(name)) continue
    changes.push(...diffEntity(catalog, name, old.get(name) ?? [], wanted.get(name) ?? [], names))
  }
  return changes
}

interface BothNames {
  readonly from: Naming
  readonly to: Naming
}

function* diffEntity(
  catalog: EntityCatalog,
  entity: string,
  from: readonly NamedRow[],
  to: readonly NamedRow[],
  names: BothNames,
): Generator<EntityChange> {
  const byIdentity = new Map<string, Row>()
  const byId = new Map<string, Row>()
  for (const { row } of from) {
    const identity = names.from.identity(entity, row)
    if (identity !== null) byIdentity.set(identity, row)
    byId.set(String(row['id']), row)
  }
  const left = new Set(from.map(({ row }) => row))
  const pairs = to.map(({ row }) => {
    const identity = names.to.identity(entity, row)
    const old = (identity === null ? undefined : byIdentity.get(identity)) ?? byId.get(String(row['id']))
    const taken = old !== undefined && left.delete(old) ? old : null
    return [taken, row] as const
  })
  for (const [old, row] of pairs) {
    const label = names.to.label(entity, row)
    if (old === null) yield { kind: 'add', entity, label, fields: [] }
    else {
      const fields = [...diffRow(catalog, entity, old, row, names)]
      if (fields.length > 0) yield { kind: 'change', entity, label, fields }
    }
  }
  for (const row of left) yield { kind: 'remove', entity, label: names.from.label(entity, row), fields: [] }
}

function* diffRow(
  catalog: EntityCatalog,
  entity: string,
  old: Row,
  row: Row,
  names: BothNames,
): Generator<FieldChange> {
  const { fields } = catalog.get(entity)
  const subschema = catalog.subschema(entity, row)
  const known: Fields = subschema !== null && 'fields' in subschema ? { ...fields, ...subschema.fields } : fields
  for (const [name, field] of Object.entries(known)) {
    if (UNCOMPARED.has(name) || field.transient === true) continue
    const [from, to] = [old[name] ?? null, row[name] ?? null]
    if (field.type === 'foreign') {
      const [a, b] = [names.from.reference(entity, name, from), names.to.reference(entity, name, to)]
      if (!isDeepStrictEqual(a, b)) yield { path: name, from: a, to: b, isSecret: false }
    } else yield* diffField(field, name, from, to)
  }
}

function* diffField(field: Field, path: string, from: unknown, to: unknown): Generator<FieldChange> {
  if (field.type === 'record' && isObject(from) && isObject(to)) {
    for (const [name, member] of Object.entries(field.fields ?? {})) {
      yield* diffField(member, `${path}.${name}`, from[name] ?? null, to[name] ?? null)
    }
    return
  }
  const [a, b] = field.type === 'set' ? [sorted(from), sorted(to)] : [from, to]
  if (!isDeepStrictEqual(emptied(a), emptied(b))) yield { path, from, to, isSecret: field.encrypted === true }
}

const sorted = (value: unknown) => (Array.isArray(value) ? [...value].map(one => JSON.stringify(one)).sort() : value)
/** An empty list and an empty object are the same to Kong. */
const emptied = (value: unknown) => (isObject(value) && Object.keys(value).length === 0 ? [] : value)
