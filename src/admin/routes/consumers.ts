/** `/consumers?custom_id=`: the one collection that can be searched by a unique field. */
import type { AdminOptions } from '../admin-options.ts'
import type { Endpoint } from '../endpoint.ts'
import { json, message } from '../reply.ts'

export function consumerEndpoints({ repository }: AdminOptions, generated: ReadonlyMap<string, Endpoint>): Endpoint[] {
  const list = generated.get('/consumers')?.methods.GET
  if (list === undefined) return []
  return [
    {
      path: '/consumers',
      methods: {
        async GET(request) {
          if (!request.query.has('custom_id')) return list(request)
          const [customId, ...others] = request.query.all('custom_id')
          if (customId === undefined || customId === '' || others.length > 0) {
            return message(400, 'custom_id must be an unempty string')
          }
          const row = await repository.findBy('consumers', 'custom_id', customId)
          return json(200, { data: row === null ? [] : [row], next: null })
        },
      },
    },
  ]
}
