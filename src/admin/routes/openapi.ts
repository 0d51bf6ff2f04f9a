/** `/openapi.json`: the Admin API describes itself. Not in `/endpoints`, which lists what Kong has. */
import type { AdminOptions } from '../admin-options.ts'
import type { Endpoint } from '../endpoint.ts'
import { openApiDocument } from '../openapi/document.ts'

export function openApiEndpoints({ catalog }: AdminOptions, others: ReadonlyMap<string, Endpoint>): Endpoint[] {
  /** Made when it is first asked for; neither endpoints nor schemas change while a node runs. */
  let content: string | null = null
  const own: Endpoint = {
    path: '/openapi.json',
    methods: {
      GET() {
        content ??= JSON.stringify(openApiDocument([...others.values(), own], catalog))
        return { status: 200, text: { type: 'application/json; charset=utf-8', content } }
      },
    },
  }
  return [own]
}
