/**
 * Entities as the Admin API and declarative files speak of them, over any store: validation, defaults, names for
 * ids, Kong's meaning of POST, PUT and PATCH, and Kong's texts for what is refused.
 */
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import { normalizeTarget } from '../entities/targets.ts'
import { encodeOffset, parseOffset, parseSize, parseTags } from './page-arguments.ts'
import { isUuid, parseRowKey, type RowKey } from './row-key.ts'
import { type ChangeObserver, observedTransaction } from './row-changes.ts'
import { importAll } from './row-import.ts'
import { RowWriter, type WriteOptions } from './row-writer.ts'
import { rulesOf } from './rules/rules-of.ts'
import type { EntityStore, StoreReads, StoreTransaction, TagPosition } from './store.ts'
import { withRemainingTtl } from './ttl.ts'
import { notFound, notFoundBy, schemaViolation, writeUnsupported } from './violations.ts'

export type Input = Readonly<Record<string, unknown>>

export interface RepositoryOptions {
  readonly store: EntityStore
  readonly catalog: EntityCatalog
  readonly clock: Clock
  readonly random: Random
  /** Records writes in their own transactions; rows that went with a deleted parent are not listed. */
  readonly observer?: ChangeObserver
}

/** `size`, `offset`, `tags` as they stand in a query string; they are checked here. */
export interface RepositoryPageOptions {
  readonly size?: unknown
  readonly offset?: unknown
  readonly tags?: unknown
  /** Only children of one parent, by its id. */
  readonly foreign?: { readonly field: string; readonly key: string }
}

export interface RepositoryPage<Item = Row> {
  readonly data: readonly Item[]
  /** Where the next page begins, or null. */
  readonly offset: string | null
}

export interface TaggedEntity {
  readonly tag: string
  readonly entity_name: string
  readonly entity_id: string
}

/** Everything rejects with StoreError. Rows are ready to print: `ttl` is what remains, certificates carry `snis`. */
export interface Repository {
  /** By id when it is shaped like one, else by endpoint key. */
  find(entity: string, keyOrName: string): Promise<Row | null>
  findBy(entity: string, field: string, value: string): Promise<Row | null>
  page(entity: string, options?: RepositoryPageOptions): Promise<RepositoryPage>
  pageTags(options?: { tag?: string; size?: unknown; offset?: unknown }): Promise<RepositoryPage<TaggedEntity>>
  insert(entity: string, input: Input): Promise<Row>
  update(entity: string, keyOrName: string, input: Input): Promise<Row>
  upsert(entity: string, keyOrName: string, input: Input): Promise<Row>
  /** False when there was none. */
  delete(entity: string, keyOrName: string): Promise<boolean>
  /** Upserts by primary key, parents first, all or nothing. `ttl` is the second of expiry, as exports have it. */
  import(
    rows: readonly { readonly entity: string; readonly input: Input }[],
    options?: Pick<WriteOptions, 'transform'>,
  ): Promise<void>
}

export function createRepository({ store, catalog, clock, random, observer }: RepositoryOptions): Repository {
  const writer = new RowWriter({ catalog, clock, random })

  async function present(entity: string, row: Row, reads: StoreReads): Promise<Row> {
    const whole = withRemainingTtl(catalog.get(entity), catalog.present(entity, row), clock.now())
    return (await rulesOf(entity).present?.(whole, reads)) ?? whole
  }

  /** A store that cannot be written refuses at the point of writing, after validation, as Kong does. */
  async function write<T>(
    verb: string,
    entity: string,
    key: RowKey | null,
    work: (tx: StoreTransaction) => Promise<T>,
  ) {
    if (entity === 'tags') {
      throw schemaViolation({ tags: 'does not support insert/upsert/update/delete operations' })
    }
    if (store.capabilities.writes) {
      // Asked for here, in the caller's own context: transactions may run in another's.
      const recorder = observer?.begin?.() ?? null
      return recorder === null ? store.transaction(work) : observedTransaction(store, catalog, work, recorder)
    }
    const refuse = async () => {
      throw writeUnsupported(verb, entity, key === null || key.isPrimary ? undefined : key.field)
    }
    return work({
      find: (name, id) => store.find(name, id),
      findBy: (name, fields) => store.findBy(name, fields),
      page: (name, options) => store.page(name, options),
      tags: options => store.tags(options),
      insert: refuse,
      update: refuse,
      record: refuse,
      // What is not there needs no deletion.
      delete: async (name, id, by) => {
        const row = await (by === undefined ? store.find(name, id) : store.findBy(name, { [by]: id }))
        return row === null ? null : refuse()
      },
    })
  }

  const repository: Repository = {
    async find(entity, keyOrName) {
      const row = await findRow(catalog, entity, keyOrName, store)
      return row === null ? null : present(entity, row, store)
    },

    async findBy(entity, field, value) {
      const row = await store.findBy(entity, { [field]: value })
      return row === null ? null : present(entity, row, store)
    },

    async page(entity, { size, offset, tags, foreign } = {}) {
      const filter = parseTags(tags, catalog.get(entity))
      const page = await store.page(entity, {
        size: parseSize(size),
        after: parseOffset(offset, 1)?.[0] ?? null,
        ...(filter === undefined ? {} : { tags: filter }),
        ...(foreign === undefined ? {} : { where: { [foreign.field]: foreign.key } }),
      })
      const data: Row[] = []
      for (const row of page.rows) data.push(await present(entity, row, store))
      return { data, offset: page.next === null ? null : encodeOffset([page.next]) }
    },

    async pageTags({ tag, size, offset } = {}) {
      const page = await store.tags({
        size: parseSize(size),
        after: parseOffset(offset, 3) as TagPosition | null,
        ...(tag === undefined ? {} : { tag }),
      })
      return { data: page.rows, offset: page.next === null ? null : encodeOffset(page.next) }
    },

    insert: (entity, input) =>
      write('create', entity, null, async tx => present(entity, await writer.insert(tx, entity, input), tx)),

    async update(entity, keyOrName, input) {
      const definition = catalog.get(entity)
      const key = await locate(catalog, entity, keyOrName, store)
      return write('update', entity, key, async tx => {
        const existing = await findByKey(entity, key, tx)
        if (existing === null) throw key.isPrimary ? notFound(keyFields(key)) : notFoundBy(keyFields(key))
        return present(entity, await writer.update(tx, definition, existing, input), tx)
      })
    },

    async upsert(entity, keyOrName, input) {
      const definition = catalog.get(entity)
      const key = await locate(catalog, entity, keyOrName, store)
      return write('create or update', entity, key, async tx => {
        const existing = await findByKey(entity, key, tx)
        // The path decides over the body.
        const named = { ...input, [key.field]: key.value }
        return present(entity, await writer.upsert(tx, definition, existing, named), tx)
      })
    },

    async delete(entity, keyOrName) {
      const key = await locate(catalog, entity, keyOrName, store)
      return write('remove', entity, key, tx => writer.delete(tx, catalog.get(entity), key))
    },

    import: (rows, options = {}) => importAll({ store, catalog, writer, write }, rows, options),
  }
  return repository
}

function keyFields({ field, value }: RowKey): Readonly<Record<string, string>> {
  return { [field]: value }
}

async function findRow(catalog: EntityCatalog, entity: string, name: string, reads: StoreReads): Promise<Row | null> {
  return findByKey(entity, await locate(catalog, entity, name, reads), reads)
}

/** Some entities have a way of their own to be named: certificates by an SNI, targets by any form of their address. */
async function locate(catalog: EntityCatalog, entity: string, name: string, reads: StoreReads): Promise<RowKey> {
  const text = entity === 'targets' && !isUuid(name) ? normalizeTarget(name) : name
  const located = await rulesOf(entity).locate?.(text, reads)
  if (located) return { field: 'id', value: located, isPrimary: true }
  return parseRowKey(catalog.get(entity), text)
}

async function findByKey(entity: string, { field, value, isPrimary }: RowKey, reads: StoreReads): Promise<Row | null> {
  return isPrimary ? reads.find(entity, value) : reads.findBy(entity, { [field]: value })
}
