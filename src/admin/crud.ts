/** The endpoints that every entity has, derived from its definition: collections, single entities, and both ways along foreign keys. */
import type { EntityCatalog, ForeignReference } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import type { EntityDefinition } from '../schema/entity.ts'
import type { Repository } from '../store/repository.ts'
import { collectionReply, pageOption } from './collection.ts'
import type { AdminRequest, Endpoint } from './endpoint.ts'
import { entityInput } from './entity-input.ts'
import { json, methodNotAllowed, noContent, notFound, type Reply } from './reply.ts'

export interface CrudContext {
  readonly repository: Repository
  readonly catalog: EntityCatalog
  /** New ids for parents created through their child. */
  readonly uuid: () => string
}

export function crudEndpoints(context: CrudContext): Endpoint[] {
  const out: Endpoint[] = []
  for (const definition of context.catalog.definitions) {
    if (definition.generate_admin_api === false) continue
    out.push(collectionEndpoint(context, definition), entityEndpoint(context, definition))
    for (const reference of context.catalog.foreignFields(definition.name)) {
      out.push(parentEndpoint(context, reference))
      out.push(childCollectionEndpoint(context, reference), childEndpoint(context, reference))
    }
  }
  return out
}

const segmentOf = (definition: EntityDefinition) => definition.admin_path ?? definition.name
const nestedSegmentOf = (definition: EntityDefinition) => definition.admin_nested_path ?? segmentOf(definition)

/** `/routes/{routes}` */
const entityPath = (definition: EntityDefinition) => `/${segmentOf(definition)}/{${definition.name}}`

const paramOf = (request: AdminRequest, definition: EntityDefinition) => request.params[definition.name]!

/** `/routes` */
function collectionEndpoint({ repository, catalog }: CrudContext, definition: EntityDefinition): Endpoint {
  const { name } = definition
  const path = `/${segmentOf(definition)}`
  return {
    path,
    subject: { entity: name, shape: 'collection' },
    methods: {
      async GET({ query }) {
        const [size, offset, tags] = ['size', 'offset', 'tags'].map(option => pageOption(query, option))
        const page = await repository.page(name, { size, offset, tags })
        return collectionReply(page, path, [
          ['tags', query.first('tags')],
          ['size', query.first('size')],
        ])
      },
      async POST({ body }) {
        return json(201, await repository.insert(name, entityInput(body, { catalog, definition })))
      },
    },
  }
}

/** `/routes/{routes}` */
function entityEndpoint(context: CrudContext, definition: EntityDefinition): Endpoint {
  const { repository, catalog } = context
  const { name } = definition
  return {
    path: entityPath(definition),
    subject: { entity: name, shape: 'entity', named: true },
    methods: {
      async GET(request) {
        return foundOrNot(await repository.find(name, paramOf(request, definition)))
      },
      async PUT(request) {
        const input = entityInput(request.body, { catalog, definition })
        return json(200, await repository.upsert(name, paramOf(request, definition), input))
      },
      async PATCH(request) {
        return patch(context, definition, paramOf(request, definition), request)
      },
      async DELETE(request) {
        await repository.delete(name, paramOf(request, definition))
        return noContent
      },
    },
  }
}

/** `/routes/{routes}/service`: the entity that a foreign key points to. */
function parentEndpoint(context: CrudContext, { entity, field, references }: ForeignReference): Endpoint {
  const { repository, catalog, uuid } = context
  const find = (request: AdminRequest) => repository.find(entity.name, paramOf(request, entity))
  return {
    path: `${entityPath(entity)}/${field}`,
    subject: { entity: references.name, shape: 'entity' },
    methods: {
      async GET(request) {
        const id = foreignId(await find(request), field)
        return id === null ? notFound : foundOrNot(await repository.find(references.name, id))
      },
      async PUT(request) {
        const row = await find(request)
        if (row === null) return notFound
        const linked = foreignId(row, field)
        const input = entityInput(request.body, { catalog, definition: references })
        const parent = await repository.upsert(references.name, linked ?? uuid(), input)
        if (linked === null)
          await repository.update(entity.name, row['id'] as string, { [field]: { id: parent['id'] } })
        return json(200, parent)
      },
      async PATCH(request) {
        const id = foreignId(await find(request), field)
        return id === null ? notFound : patch(context, references, id, request)
      },
      // A parent is not deleted through one of its children: others may hang on it.
      async DELETE(request) {
        return foreignId(await find(request), field) === null ? notFound : methodNotAllowed
      },
    },
  }
}

/** `/services/{services}/routes` */
function childCollectionEndpoint({ repository, catalog }: CrudContext, reference: ForeignReference): Endpoint {
  const { entity, field, references } = reference
  return {
    path: `${entityPath(references)}/${nestedSegmentOf(entity)}`,
    subject: { entity: entity.name, shape: 'collection', parentField: field },
    methods: {
      async GET(request) {
        const parent = await repository.find(references.name, paramOf(request, references))
        if (parent === null) return notFound
        // Kong ignores `tags` here: a nested collection is filtered by its parent alone.
        const [size, offset] = ['size', 'offset'].map(option => pageOption(request.query, option))
        const foreign = { field, key: parent['id'] as string }
        return collectionReply(await repository.page(entity.name, { size, offset, foreign }), request.path)
      },
      async POST(request) {
        const parent = await repository.find(references.name, paramOf(request, references))
        if (parent === null) return notFound
        const input = entityInput(request.body, { catalog, definition: entity })
        return json(201, await repository.insert(entity.name, { ...input, [field]: { id: parent['id'] } }))
      },
    },
  }
}

/** `/services/{services}/routes/{routes}` */
function childEndpoint(context: CrudContext, { entity, field, references }: ForeignReference): Endpoint {
  const { repository, catalog } = context
  const findParent = (request: AdminRequest) => repository.find(references.name, paramOf(request, references))

  async function findPair(request: AdminRequest): Promise<{ parent: Row; child: Row } | null> {
    const parent = await findParent(request)
    if (parent === null) return null
    const child = await repository.find(entity.name, paramOf(request, entity))
    return child !== null && foreignId(child, field) === parent['id'] ? { parent, child } : null
  }

  return {
    path: `${entityPath(references)}/${nestedSegmentOf(entity)}/{${entity.name}}`,
    subject: { entity: entity.name, shape: 'entity', parentField: field, named: true },
    methods: {
      async GET(request) {
        return foundOrNot((await findPair(request))?.child ?? null)
      },
      async PUT(request) {
        const parent = await findParent(request)
        if (parent === null) return notFound
        const input = entityInput(request.body, { catalog, definition: entity })
        const row = { ...input, [field]: { id: parent['id'] } }
        return json(200, await repository.upsert(entity.name, paramOf(request, entity), row))
      },
      async PATCH(request) {
        const pair = await findPair(request)
        return pair === null ? notFound : patch(context, entity, pair.child['id'] as string, request, pair.child)
      },
      async DELETE(request) {
        const pair = await findPair(request)
        if (pair === null) return notFound
        await repository.delete(entity.name, pair.child['id'] as string)
        return noContent
      },
    },
  }
}

/** A form body may need the stored row to know by which subschema to read it (a plugin's `config` by its name). */
async function patch(
  { repository, catalog }: CrudContext,
  definition: EntityDefinition,
  key: string,
  { body }: AdminRequest,
  known?: Row,
): Promise<Reply> {
  const needsRow = body.kind === 'form' && definition.subschema_key !== undefined
  const existing = needsRow ? (known ?? (await repository.find(definition.name, key))) : null
  return json(200, await repository.update(definition.name, key, entityInput(body, { catalog, definition, existing })))
}

const foundOrNot = (row: Row | null): Reply => (row === null ? notFound : json(200, row))

function foreignId(row: Row | null, field: string): string | null {
  const value = row?.[field] as { id: string } | null | undefined
  return value?.id ?? null
}
