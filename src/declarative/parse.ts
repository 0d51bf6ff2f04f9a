/**
 * A declarative configuration as rows.
 *
 * Stages as in Kong, each reporting all its errors before the next begins: fields of every entity, then references
 * and duplicates, then other unique values. Pure: ids come from the context where the file's contents do not decide.
 */
import { createHash } from 'node:crypto'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import { DEFAULT_WORKSPACE_ID } from '../entities/workspaces.ts'
import { isObject } from '../schema/defaults.ts'
import { luaText } from '../schema/messages.ts'
import { declarableEntities, type DocumentTree, type Item, readTree, treeErrors, walkItems } from './document-tree.ts'
import { deterministicId } from './entity-ids.ts'
import { type ErrorPlace, errorPlaces, formatPlaces } from './error-places.ts'
import { identifiedDocument } from './identified-document.ts'
import { migrateDocument } from './migrate-paths.ts'
import { type ErrorTree, prettyErrors } from './pretty-errors.ts'
import { readText } from './read-text.ts'
import { ReferenceIndex } from './references.ts'
import { uniqueErrors } from './unique-values.ts'

export interface ParseContext {
  readonly catalog: EntityCatalog
  readonly nowMs: number
  readonly uuid: () => string
  readonly randomBytes: (count: number) => Buffer
  /** A part of a configuration, to be added to another: no default workspace is made. */
  readonly partial?: boolean
  /** A configuration from another node: unknown null fields are ignored, rows are taken as they are. */
  readonly stored?: boolean
  /** A configuration that is moved from one store to another: a given `updated_at` stays. */
  readonly keepsTimes?: boolean
}

export interface DeclarativeRow {
  readonly entity: string
  readonly key: string
  /** Valid and complete, ready to be stored: not to be validated or transformed again. */
  readonly row: Row
}

export type ParsedConfig =
  | {
      readonly ok: true
      /** Parents before children. */
      readonly rows: readonly DeclarativeRow[]
      readonly meta: { readonly _format_version: string; readonly _transform: boolean }
      /** 32 hex characters: of the text, or of the value where there was none. */
      readonly hash: string
    }
  | FailedConfig

export interface FailedConfig {
  readonly ok: false
  readonly errors: ErrorTree
  /** All errors, in Kong's words. */
  readonly message: string
  /** The same in the text that they are in; nothing where there was none, or where it could not be read. */
  readonly places: readonly ErrorPlace[]
  /** What the errors are about: as given or, for errors found once the entities had ids, with these. */
  readonly document: Readonly<Record<string, unknown>>
}

/** `filename` decides between JSON and YAML; without it both are tried. */
export function parseText(text: string, filename: string | undefined, context: ParseContext): ParsedConfig {
  const read = readText(text, filename)
  if (!read.ok) return { ok: false, errors: { error: read.error }, message: read.error, places: [], document: {} }
  const parsed = parseDocument(read.document, context, read.hash)
  return parsed.ok ? parsed : { ...parsed, places: errorPlaces(text, parsed.errors) }
}

/** For people: Kong's text, then one line for each error that begins with `name:line:column`. */
export function describeFailure(name: string, { message, places }: FailedConfig): string {
  return places.length === 0 ? message : `${message}\n\n${formatPlaces(name, places)}`
}

export function parseDocument(
  given: Readonly<Record<string, unknown>>,
  context: ParseContext,
  hash?: string,
): ParsedConfig {
  const document = migrateDocument(given)
  const { catalog } = context
  const tree = readTree(document, catalog)
  const items = [...walkItems(tree.lists, catalog)]
  const { ids, madeUp } = assignIds(tree, context)
  const index = new ReferenceIndex(items, ids)
  const transform = document['_transform'] !== false
  const rows = validateItems(items, { context, ids, index, transform })
  const faults = treeErrors(tree)
  if (faults !== null) {
    index.markUnresolved(items)
    return refused(treeErrors(tree)!, given)
  }
  const errors = index.errors(items) ?? uniqueErrors(catalog, rows)
  if (errors !== null) {
    const idOf = (item: Item) => (madeUp.has(item) ? null : ids.get(item)!)
    return refused(errors, identifiedDocument(given, tree.lists, idOf))
  }
  return {
    ok: true,
    rows: inOrder(catalog, context.partial === true ? rows : withDefaultWorkspace(rows, context)),
    meta: { _format_version: '3.0', _transform: transform },
    hash: hash ?? valueHash(items, transform),
  }
}

/** Of what the entities are, not of what is said beside them: comments and ignored parts may be nested at will. */
function valueHash(items: readonly Item[], transform: boolean): string {
  const entities = items.map(({ definition, values, parentField }) => [definition.name, values, parentField])
  return createHash('md5')
    .update(JSON.stringify([transform, entities]))
    .digest('hex')
}

function refused(errors: ErrorTree, document: FailedConfig['document']): ParsedConfig {
  return { ok: false, errors, message: prettyErrors(errors), places: [], document }
}

/** Primary keys of all items, parents first: the ids of children may build on them. */
function assignIds(tree: DocumentTree, context: ParseContext) {
  const ids = new Map<Item, string>()
  const madeUp = new Set<Item>()
  const assign = (lists: DocumentTree['lists'], parentId: string | null): void => {
    for (const place of [...lists.values()].flat()) {
      if (typeof place !== 'object' || place === null) continue
      const known = primaryKey(place, parentId)
      if (known === null) madeUp.add(place)
      const id = known ?? context.uuid()
      ids.set(place, id)
      assign(place.lists, id)
    }
  }
  assign(tree.lists, null)
  return { ids, madeUp }
}

function primaryKey({ definition, values, parentField }: Item, parentId: string | null): string | null {
  const name = definition.primary_key?.[0] ?? 'id'
  const given = values[name]
  if (given !== undefined && given !== null) return luaText(given)
  return definition.fields[name]!.uuid === true ? deterministicId({ definition, values, parentField, parentId }) : null
}

interface Validation {
  readonly context: ParseContext
  readonly ids: ReadonlyMap<Item, string>
  readonly index: ReferenceIndex
  readonly transform: boolean
}

/** Rows of the items that are valid; the errors of the others go into the items. */
function validateItems(items: readonly Item[], validation: Validation): DeclarativeRow[] {
  const { context, ids, index, transform } = validation
  const rows: DeclarativeRow[] = []
  for (const item of items) {
    const { name, primary_key } = item.definition
    const key = ids.get(item)!
    const input = { ...item.values, ...index.foreignKeys(item) }
    if (primary_key === undefined && input['id'] === undefined) Object.assign(input, { id: key })
    const result = context.catalog.validateRow(name, input, {
      operation: context.stored === true ? 'stored' : 'insert',
      nowMs: context.nowMs,
      uuid: context.uuid,
      randomBytes: context.randomBytes,
      transform,
      keepsTimes: context.keepsTimes === true,
    })
    if (result.ok) rows.push({ entity: name, key, row: withoutTransients(item, result.row) })
    else Object.assign(item.errors, result.errors)
  }
  return rows
}

function withoutTransients({ definition }: Item, row: Row): Row {
  const names = Object.keys(definition.fields).filter(name => definition.fields[name]!.transient === true)
  if (names.length === 0) return row
  return Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name)))
}

function withDefaultWorkspace(rows: readonly DeclarativeRow[], context: ParseContext): DeclarativeRow[] {
  if (rows.some(({ entity, row }) => entity === 'workspaces' && row['name'] === 'default')) return [...rows]
  const input = { id: DEFAULT_WORKSPACE_ID, name: 'default' }
  const made = context.catalog.validateRow('workspaces', input, { ...context, operation: 'insert' })
  if (!made.ok) throw new Error('the default workspace is valid')
  return [{ entity: 'workspaces', key: DEFAULT_WORKSPACE_ID, row: made.row }, ...rows]
}

function inOrder(catalog: EntityCatalog, rows: readonly DeclarativeRow[]): DeclarativeRow[] {
  const byEntity = Map.groupBy(rows, row => row.entity)
  return declarableEntities(catalog).flatMap(({ name }) => byEntity.get(name) ?? [])
}

/** As `POST /config` answers: entities by id, in its order, without workspaces and without members that are null. */
export function loadedEntities(rows: readonly DeclarativeRow[]): Record<string, Record<string, unknown>> {
  const entities: Record<string, Record<string, unknown>> = {}
  for (const [entity, own] of Map.groupBy(rows, row => row.entity)) {
    if (entity === 'workspaces') continue
    const ordered = own.toSorted((a, b) => (a.key < b.key ? -1 : 1))
    entities[entity] = Object.fromEntries(ordered.map(({ key, row }) => [key, withoutNulls(row)]))
  }
  return entities
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isObject(value)) return value
  const kept = Object.entries(value).filter(([, member]) => member !== null)
  return Object.fromEntries(kept.map(([name, member]) => [name, withoutNulls(member)]))
}
