/** `/filter-chains` and its nested forms: there, as in Kong, but with nothing to configure: no WebAssembly is run. */
import type { AdminOptions } from '../admin-options.ts'
import type { Endpoint, Handler, Method } from '../endpoint.ts'
import { message } from '../reply.ts'

const refuse: Handler = () => message(400, 'this endpoint is only available when wasm is enabled')

export function filterChainEndpoints(_options: AdminOptions, generated: ReadonlyMap<string, Endpoint>): Endpoint[] {
  const out: Endpoint[] = []
  for (const { path, methods } of generated.values()) {
    if (!path.split('/').includes('filter-chains')) continue
    const refused = Object.keys(methods).map(method => [method as Method, refuse] as const)
    out.push({ path, methods: Object.fromEntries(refused) })
  }
  return out
}
