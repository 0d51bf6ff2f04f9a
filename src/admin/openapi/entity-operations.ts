/** Operations of the paths that lead to entities: the same five for all, and the collection's two. */
import type { EntityCatalog } from '../../entities/catalog.ts'
import type { JsonSchema } from '../../schema/json-schema.ts'
import type { EndpointSubject, Method } from '../endpoint.ts'
import type { Components } from './components.ts'
import { type Operation, answer, jsonBody, noContent, queryParameter, refusal } from './operation.ts'

export function entityOperation(
  method: Method,
  subject: EndpointSubject,
  components: Components,
  catalog: EntityCatalog,
): Operation {
  const { entity, shape, parentField } = subject
  const row = components.entity(entity, 'answer')
  const errors = refusals(method, subject, components)
  const place = parentField === undefined ? '' : ` of a ${parentField}`
  const base = { tags: [entity] }
  if (shape === 'collection') {
    if (method === 'GET') {
      const summary = `List ${entity}${place}`
      return { ...base, summary, parameters: paging, responses: { 200: answer(page(row)), ...errors } }
    }
    const requestBody = jsonBody(components.entity(entity, 'input', parentField === undefined ? [] : [parentField]))
    return {
      ...base,
      summary: `Create one of ${entity}${place}`,
      requestBody,
      responses: { 201: answer(row), ...errors },
    }
  }
  const one = `one of ${entity}${place}`
  const key = catalog.get(entity).endpoint_key
  const given = [
    ...(parentField === undefined ? [] : [parentField]),
    ...(subject.named && key !== undefined ? [key] : []),
  ]
  switch (method) {
    case 'PUT': {
      const requestBody = jsonBody(components.entity(entity, 'input', given))
      return { ...base, summary: `Create or replace ${one}`, requestBody, responses: { 200: answer(row), ...errors } }
    }
    case 'PATCH': {
      const requestBody = jsonBody(components.entity(entity, 'change'))
      return { ...base, summary: `Change ${one}`, requestBody, responses: { 200: answer(row), ...errors } }
    }
    case 'DELETE':
      return { ...base, summary: `Delete ${one}`, responses: { 204: noContent, ...errors } }
    default:
      return { ...base, summary: `Read ${one}`, responses: { 200: answer(row), ...errors } }
  }
}

const paging = [
  queryParameter('size', { type: 'integer', minimum: 1, maximum: 1000, default: 100 }, 'Entities per page.'),
  queryParameter('offset', { type: 'string' }, 'Where the page begins: `offset` of the page before.'),
  queryParameter('tags', { type: 'string' }, 'Only those with all of `a,b`, or with any of `a/b`.'),
]

const page = (row: JsonSchema): JsonSchema => ({
  type: 'object',
  properties: {
    data: { type: 'array', items: row },
    next: { type: ['string', 'null'], description: 'Path of the next page.' },
    offset: { type: 'string', description: 'Of the next page.' },
  },
  required: ['data', 'next'],
})

function refusals(method: Method, { shape, parentField }: EndpointSubject, { error }: Components) {
  const changes = method === 'POST' || method === 'PUT' || method === 'PATCH'
  const mayMiss = shape === 'entity' || parentField !== undefined
  return {
    400: refusal(error, changes ? 'The body or the path is not valid.' : 'The request is not valid.'),
    ...(mayMiss && { 404: refusal(error, 'There is no such entity.') }),
    ...((shape === 'entity' || changes) && { 405: refusal(error, 'Not here, or not without a database.') }),
    ...(changes && { 409: refusal(error, 'A unique value is taken.') }),
  }
}
