/** `/schemas/...`: the definitions themselves, and trying an entity without storing it. */
import { schemaDocument } from '../../schema/document.ts'
import { validate } from '../../schema/validate.ts'
import { schemaViolation } from '../../store/violations.ts'
import type { AdminOptions } from '../admin-options.ts'
import type { AdminRequest, Endpoint, Handler } from '../endpoint.ts'
import { entityInput } from '../entity-input.ts'
import { json, message, type Reply } from '../reply.ts'

export function schemaEndpoints(options: AdminOptions): Endpoint[] {
  const { catalog } = options
  const missing = (kind: string, name: string) => message(404, `No ${kind} named '${name}'`)
  return [
    {
      path: '/schemas/{name}',
      methods: {
        GET({ params }) {
          const definition = catalog.find(params['name']!)
          return definition === null ? missing('entity', params['name']!) : json(200, schemaDocument(definition))
        },
      },
    },
    {
      path: '/schemas/plugins/{name}',
      methods: {
        GET: ({ params }) => subschemaReply(options, 'plugins', params['name']!) ?? missing('plugin', params['name']!),
      },
    },
    {
      path: '/schemas/vaults/{name}',
      methods: {
        GET: ({ params }) => subschemaReply(options, 'vaults', params['name']!) ?? missing('vault', params['name']!),
      },
    },
    // Filters are WebAssembly modules; this node runs none.
    {
      path: '/schemas/filters/{name}',
      methods: { GET: ({ params }) => message(404, `Filter '${params['name']}' not found`) },
    },
    { path: '/schemas/plugins/validate', ...asking(request => tryOut(options, 'plugins', request)) },
    { path: '/schemas/vaults/validate', ...asking(request => tryOut(options, 'vaults', request)) },
    {
      path: '/schemas/{name}/validate',
      ...asking(request => tryOut(options, request.params['name']!, request)),
    },
  ]
}

/** A POST that changes nothing. */
function asking(answer: Handler): Pick<Endpoint, 'methods' | 'changesNothing'> {
  return { methods: { POST: answer }, changesNothing: true }
}

function subschemaReply({ catalog }: AdminOptions, entity: string, name: string): Reply | null {
  const subschema = catalog.subschema(entity, { name })
  return subschema === null || 'errors' in subschema ? null : json(200, schemaDocument(subschema))
}

function tryOut({ catalog, clock, random }: AdminOptions, entity: string, request: AdminRequest): Reply {
  const definition = catalog.find(entity)
  if (definition === null) return message(404, `No entity named '${entity}'`)
  const result = validate(definition, entityInput(request.body, { catalog, definition }), {
    operation: 'insert',
    nowMs: clock.now(),
    uuid: random.uuid,
    randomBytes: random.bytes,
    subschema: row => catalog.subschema(entity, row),
  })
  if (result.ok) return message(200, 'schema validation successful')
  throw schemaViolation(result.errors)
}
