/** `/consumers/{consumer}/acls/{id or group}`: an acl is known by its group within one consumer. */
import type { AdminOptions } from '../admin-options.ts'
import type { Endpoint, Handler, Method } from '../endpoint.ts'
import { entityInput } from '../entity-input.ts'
import { json, notFound } from '../reply.ts'
import { isUuid } from '../../store/row-key.ts'

const path = '/consumers/{consumers}/acls/{acls}'

export function aclEndpoints(options: AdminOptions, generated: ReadonlyMap<string, Endpoint>): Endpoint[] {
  const endpoint = generated.get(path)
  if (endpoint === undefined) return []
  const methods: Partial<Record<Method, Handler>> = {}
  for (const [method, handler] of Object.entries(endpoint.methods) as [Method, Handler][]) {
    methods[method] = byGroupOrId(options, handler)
  }
  return [{ path, methods }]
}

function byGroupOrId({ repository, store, catalog, random }: AdminOptions, handler: Handler): Handler {
  return async request => {
    const group = request.params['acls']!
    if (isUuid(group)) return handler(request)
    const consumer = await repository.find('consumers', request.params['consumers']!)
    if (consumer === null) return notFound
    const row = await store.findBy('acls', { consumer: consumer['id'] as string, group })
    if (request.method !== 'PUT') {
      if (row === null) return notFound
      return handler({ ...request, params: { ...request.params, acls: row['id'] as string } })
    }
    const input = entityInput(request.body, { catalog, definition: catalog.get('acls') })
    const id = row === null ? random.uuid() : (row['id'] as string)
    const wanted = { group, ...input, consumer: { id: consumer['id'] } }
    return json(200, await repository.upsert('acls', id, wanted))
  }
}
