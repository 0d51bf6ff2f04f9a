/** From what a client sent to a stored row, within a transaction: names resolved, validated, completed, written. */
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import { TTL_FIELD } from '../schema/columns.ts'
import type { EntityDefinition } from '../schema/entity.ts'
import type { ValidateContext } from '../schema/validate.ts'
import { resolveForeignNames } from './foreign-names.ts'
import { isUuid, primaryKeyOf, type RowKey } from './row-key.ts'
import type { Input, RuleTools, Wish } from './rules/entity-rules.ts'
import { rulesOf } from './rules/rules-of.ts'
import type { StoreReads, StoreTransaction } from './store.ts'
import { expiryOf, takeExpiry, takeTtl } from './ttl.ts'
import { schemaViolation } from './violations.ts'

export interface WriteOptions {
  /** False when values are stored in their final form already (`_transform: false` in declarative files). */
  readonly transform?: boolean
  /** True when `ttl` is the second of expiry, as in declarative files, and not seconds from now. */
  readonly ttlIsExpiry?: boolean
  /** True when a row is moved, not changed: `updated_at` stays as given. */
  readonly keepsTimes?: boolean
}

/** A valid row, and what it was made of. */
export interface PreparedRow extends Wish {
  readonly definition: EntityDefinition
  readonly row: Readonly<Record<string, unknown>>
}

export interface RowWriterOptions {
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly random: Random
}

export class RowWriter {
  readonly #catalog: EntityCatalog
  readonly #clock: Clock
  readonly #random: Random

  constructor({ catalog, clock, random }: RowWriterOptions) {
    this.#catalog = catalog
    this.#clock = clock
    this.#random = random
  }

  async insert(tx: StoreTransaction, entity: string, input: Input): Promise<Row> {
    return this.upsert(tx, this.#catalog.get(entity), null, input, {}, 'insert')
  }

  /** PUT: the whole row is made anew; only the primary key of an existing one stays. */
  async upsert(
    tx: StoreTransaction,
    definition: EntityDefinition,
    existing: Row | null,
    input: Input,
    options: WriteOptions = {},
    operation: 'insert' | 'upsert' = 'upsert',
  ): Promise<Row> {
    return this.store(tx, existing, await this.prepare(tx, definition, input, options, operation))
  }

  /** The row that an insertion or a PUT makes, valid by itself; `reads` are asked only where a parent is named. */
  async prepare(
    reads: StoreReads,
    definition: EntityDefinition,
    input: Input,
    options: WriteOptions = {},
    operation: 'insert' | 'upsert' = 'upsert',
  ): Promise<PreparedRow> {
    const { ttl, rest } = options.ttlIsExpiry ? takeExpiry(definition, input) : takeTtl(definition, input)
    const row = await this.#valid(reads, definition, rest, { operation }, options)
    if (definition.ttl) {
      const expiry = ttl ?? null
      row[TTL_FIELD] = options.ttlIsExpiry ? expiry : expiryOf(expiry, row['created_at'], this.#clock.now())
    }
    return { definition, row, input: rest, isImported: options.keepsTimes === true }
  }

  /** What only a transaction can say of a row, and the row itself. */
  store(tx: StoreTransaction, existing: Row | null, { definition, row, ...wish }: PreparedRow): Promise<Row> {
    return this.#store(tx, definition, existing, { ...row }, wish)
  }

  /** PATCH: what is not given stays. */
  async update(tx: StoreTransaction, definition: EntityDefinition, existing: Row, input: Input): Promise<Row> {
    const { ttl, rest } = takeTtl(definition, input)
    const { [TTL_FIELD]: expiry, ...old } = existing
    const before = definition.ttl ? old : existing
    const row = await this.#valid(tx, definition, rest, { operation: 'update', existing: before }, {})
    if (definition.ttl) {
      row[TTL_FIELD] = ttl === undefined ? expiry : expiryOf(ttl, row['updated_at'], this.#clock.now())
    }
    return this.#store(tx, definition, existing, row, { input: rest, isImported: false })
  }

  /** False when there was none. */
  async delete(tx: StoreTransaction, definition: EntityDefinition, key: RowKey): Promise<boolean> {
    const { name } = definition
    const rule = rulesOf(name).beforeDelete
    const by = key.isPrimary ? undefined : key.field
    // Most rows are found with all that goes along, in one question. What has expired is not there.
    if (rule === undefined && !definition.ttl) return (await tx.delete(name, key.value, by)) !== null
    const row = await (key.isPrimary ? tx.find(name, key.value) : tx.findBy(name, { [key.field]: key.value }))
    if (row === null) return false
    const id = row[primaryKeyOf(definition)] as string
    await rule?.(id, this.#tools(tx))
    await tx.delete(name, id)
    return true
  }

  async #valid(
    reads: StoreReads,
    definition: EntityDefinition,
    input: Input,
    how: Pick<ValidateContext, 'operation' | 'existing'>,
    { transform = true, keepsTimes = false }: WriteOptions,
  ): Promise<Record<string, unknown>> {
    const resolved = await resolveForeignNames(this.#catalog, definition.name, input, reads)
    const validation = this.#catalog.validateRow(definition.name, resolved, {
      ...how,
      transform,
      keepsTimes,
      nowMs: this.#clock.now(),
      uuid: () => this.#random.uuid(),
      randomBytes: count => this.#random.bytes(count),
    })
    if (!validation.ok) throw schemaViolation(validation.errors)
    return { ...validation.row }
  }

  async #store(
    tx: StoreTransaction,
    definition: EntityDefinition,
    existing: Row | null,
    row: Record<string, unknown>,
    { input, isImported }: Wish,
  ): Promise<Row> {
    const { name } = definition
    const primary = primaryKeyOf(definition)
    if (existing !== null) row[primary] = existing[primary]
    lowerIds(this.#catalog, definition, row)
    const rules = rulesOf(name)
    rules.normalize?.(row, input)
    await rules.check?.(row, existing, this.#tools(tx), { input, isImported })
    if (existing === null) await tx.insert(name, row)
    else await tx.update(name, row)
    await rules.afterWrite?.(row, this.#tools(tx))
    return row
  }

  #tools(tx: StoreTransaction): RuleTools {
    return {
      catalog: this.#catalog,
      reads: tx,
      insert: async (entity, input) => {
        await this.insert(tx, entity, input)
      },
      delete: async (entity, id) => {
        const definition = this.#catalog.get(entity)
        await this.delete(tx, definition, { field: primaryKeyOf(definition), value: id, isPrimary: true })
      },
    }
  }
}

/** Ids are compared as text, so they are kept in one spelling. */
function lowerIds(catalog: EntityCatalog, definition: EntityDefinition, row: Record<string, unknown>): void {
  const primary = primaryKeyOf(definition)
  const id = row[primary]
  if (typeof id === 'string' && isUuid(id)) row[primary] = id.toLowerCase()
  for (const { field } of catalog.foreignFields(definition.name)) {
    const reference = row[field] as { readonly id: string } | null | undefined
    if (reference) row[field] = { id: reference.id.toLowerCase() }
  }
}
