/** `/plugins/enabled` and the old form of `/schemas/plugins/{name}`. */
import { schemaDocument } from '../../schema/document.ts'
import type { AdminOptions } from '../admin-options.ts'
import type { Endpoint } from '../endpoint.ts'
import { json, message } from '../reply.ts'

export function pluginEndpoints({ catalog }: AdminOptions): Endpoint[] {
  return [
    {
      path: '/plugins/enabled',
      methods: { GET: () => json(200, { enabled_plugins: [...catalog.plugins.keys()] }) },
    },
    {
      path: '/plugins/schema/{name}',
      methods: {
        GET({ params }) {
          const plugin = catalog.plugins.get(params['name']!)
          if (plugin === undefined) return message(404, `No plugin named '${params['name']}'`)
          return json(200, schemaDocument({ fields: plugin.config }))
        },
      },
    },
  ]
}
