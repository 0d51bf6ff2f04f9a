/** Names for entities that mean the same in two configurations, whose ids may differ: `route hello`, `plugin cors (route hello)`. */
import { createHash } from 'node:crypto'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import { isObject } from '../schema/defaults.ts'

export interface NamedRow {
  readonly entity: string
  readonly row: Row
}

const SINGULAR: Readonly<Record<string, string>> = {
  ca_certificates: 'CA certificate',
  snis: 'SNI',
  key_sets: 'key set',
}

export class Naming {
  readonly #catalog: EntityCatalog
  /** By entity and id. */
  readonly #rows = new Map<string, Row>()

  constructor(catalog: EntityCatalog, rows: Iterable<NamedRow>) {
    this.#catalog = catalog
    for (const { entity, row } of rows) this.#rows.set(`${entity} ${String(row['id'])}`, row)
  }

  /** For people. Keys of consumers are secrets, and shown as a few digits of their hash. */
  label(entity: string, row: Row): string {
    return `${singular(entity)} ${this.#ownName(entity, row)}${this.#place(entity, row)}`
  }

  /** What tells it from its like, whatever its id is; null when only the id does. */
  identity(entity: string, row: Row): string | null {
    const definition = this.#catalog.get(entity)
    const names = definition.cache_key ?? (definition.endpoint_key === undefined ? [] : [definition.endpoint_key])
    if (entity === 'ca_certificates') return `${entity} ${digest(row['cert'])}`
    if (entity === 'plugins' && row['instance_name'] !== null) return `${entity} ${String(row['instance_name'])}`
    const parts = names.map(name => this.#part(entity, name, row[name] ?? null))
    return parts.length === 0 || parts.every(part => part === null) ? null : JSON.stringify([entity, ...parts])
  }

  /** A reference by what it leads to. */
  reference(entity: string, field: string, value: unknown): unknown {
    const target = this.#catalog.get(entity).fields[field]?.reference
    if (target === undefined || !isObject(value)) return value
    const row = this.#rows.get(`${target} ${String(value['id'])}`)
    return row === undefined ? value['id'] : this.#ownName(target, row)
  }

  #part(entity: string, field: string, value: unknown): unknown {
    return isObject(value) ? this.reference(entity, field, value) : value
  }

  #ownName(entity: string, row: Row): string {
    const { endpoint_key, fields } = this.#catalog.get(entity)
    if (entity === 'plugins') return String(row['instance_name'] ?? row['name'])
    const value = endpoint_key === undefined ? null : (row[endpoint_key] ?? null)
    const isCredential = fields['consumer']?.required === true
    if (value !== null) return isCredential ? `#${digest(value).slice(0, 6)}` : String(value)
    if (typeof row['cert'] === 'string') return `#${digest(row['cert']).slice(0, 12)}`
    return String(row['username'] ?? row['custom_id'] ?? row['name'] ?? row['id'])
  }

  #place(entity: string, row: Row): string {
    const parents = Object.entries(this.#catalog.get(entity).fields).flatMap(([name, { type, reference }]) => {
      const value = row[name]
      if (type !== 'foreign' || !isObject(value)) return []
      return [`${singular(reference!)} ${String(this.reference(entity, name, value))}`]
    })
    return parents.length === 0 ? '' : ` (${parents.join(', ')})`
  }
}

function singular(entity: string): string {
  return SINGULAR[entity] ?? entity.replace(/s$/, '').replaceAll('_', ' ')
}

function digest(value: unknown): string {
  return createHash('sha256').update(String(value).trim()).digest('hex')
}
