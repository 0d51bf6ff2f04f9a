/** `/cache`: Kong's cache of database reads. This node keeps none between store and proxy, so nothing is ever in it. */
import type { AdminOptions } from '../admin-options.ts'
import type { Endpoint } from '../endpoint.ts'
import { noContent, notFound } from '../reply.ts'

export function cacheEndpoints(_options: AdminOptions): Endpoint[] {
  return [
    { path: '/cache', methods: { DELETE: () => noContent } },
    { path: '/cache/{key}', methods: { GET: () => notFound, DELETE: () => noContent } },
  ]
}
