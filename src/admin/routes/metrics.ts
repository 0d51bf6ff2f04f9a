/** `/metrics`, while the prometheus plugin is enabled on this node. */
import type { AdminOptions } from '../admin-options.ts'
import type { Endpoint } from '../endpoint.ts'

export function metricsEndpoints({ metrics }: AdminOptions): Endpoint[] {
  if (metrics === null) return []
  const type = 'text/plain; charset=UTF-8'
  return [
    { path: '/metrics', methods: { GET: async () => ({ status: 200, text: { type, content: await metrics() } }) } },
  ]
}
