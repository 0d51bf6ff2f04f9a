/** The OpenAPI 3.1 description of an Admin API, made from its endpoints and the entities' schemas. */
import { KONG_VERSION } from '../../base/version.ts'
import type { EntityCatalog } from '../../entities/catalog.ts'
import type { Endpoint, Method } from '../endpoint.ts'
import { Components } from './components.ts'
import { entityOperation } from './entity-operations.ts'
import { answer, type Operation, type Parameter } from './operation.ts'
import { specialOperations } from './special-operations.ts'

export interface OpenApiDocument {
  readonly openapi: '3.1.0'
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

export function openApiDocument(endpoints: Iterable<Endpoint>, catalog: EntityCatalog): OpenApiDocument {
  const components = new Components(catalog)
  const paths: Record<string, Record<string, unknown>> = {}
  const tags = new Set<string>()
  for (const endpoint of endpoints) {
    const item: Record<string, unknown> = {}
    const parameters = pathParameters(endpoint.path)
    if (parameters.length > 0) item['parameters'] = parameters
    for (const method of Object.keys(endpoint.methods).sort() as Method[]) {
      const operation = operationOf(method, endpoint, components, catalog)
      for (const tag of operation.tags) tags.add(tag)
      item[method.toLowerCase()] = { operationId: operationId(method, endpoint.path), ...operation }
    }
    paths[endpoint.path] = item
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Admin API',
      version: KONG_VERSION,
      description: 'Entities of the gateway and what else is known of this node. HEAD and OPTIONS work on every path.',
    },
    ...{ servers: [{ url: '/' }], tags: [...tags].sort().map(name => ({ name })) },
    paths,
    components: { schemas: components.schemas },
  }
}

function operationOf(method: Method, endpoint: Endpoint, components: Components, catalog: EntityCatalog): Operation {
  const special = specialOperations[`${method} ${endpoint.path}`]
  if (special !== undefined) return special(components)
  if (endpoint.subject !== undefined) return entityOperation(method, endpoint.subject, components, catalog)
  return {
    tags: ['other'],
    summary: `${method} ${endpoint.path}`,
    responses: { 200: answer({}), 400: answer(components.error, 'The request is not valid.') },
  }
}

function pathParameters(path: string): Parameter[] {
  return [...path.matchAll(/\{(.+?)\}/g)].map(([, name]) => ({
    name: name!,
    in: 'path',
    required: true,
    description: 'Id or name.',
    schema: { type: 'string', minLength: 1 },
  }))
}

/** `get-services-one-routes`; unique, since no path has a segment named `one`. */
function operationId(method: Method, path: string): string {
  const segments = path.split('/').filter(segment => segment !== '')
  const words = segments.map(segment => (segment.startsWith('{') ? 'one' : segment.replaceAll(/[^\w-]/g, '-')))
  return [method.toLowerCase(), ...(words.length === 0 ? ['node'] : words)].join('-')
}
