/** `/certificates/{id or SNI}`: a certificate has no name of its own, but those of its SNIs stand for it. */
import type { AdminOptions } from '../admin-options.ts'
import type { AdminRequest, Endpoint, Handler, Method } from '../endpoint.ts'
import { entityInput } from '../entity-input.ts'
import { json, message } from '../reply.ts'
import { isUuid } from '../../store/row-key.ts'

const paths = [
  '/certificates/{certificates}',
  '/certificates/{certificates}/snis',
  '/certificates/{certificates}/snis/{snis}',
]

export function certificateEndpoints(options: AdminOptions, generated: ReadonlyMap<string, Endpoint>): Endpoint[] {
  const out: Endpoint[] = []
  for (const path of paths) {
    const endpoint = generated.get(path)
    if (endpoint === undefined) continue
    const methods: Partial<Record<Method, Handler>> = {}
    for (const [method, handler] of Object.entries(endpoint.methods) as [Method, Handler][]) {
      methods[method] = byNameOrId(options, method === 'PUT' && path === paths[0] ? putCertificate(options) : handler)
    }
    out.push({ path, methods })
  }
  return out
}

/** Puts the certificate's id in place of an SNI. Only PUT goes on with an unknown one: it creates certificate and SNI. */
function byNameOrId({ repository, random }: AdminOptions, handler: Handler): Handler {
  return async request => {
    const key = request.params['certificates']!
    if (isUuid(key)) return handler(request)
    const sni = await repository.findBy('snis', 'name', key)
    if (sni === null && request.method !== 'PUT') return message(404, 'SNI not found')
    const id = sni === null ? random.uuid() : (sni['certificate'] as { id: string }).id
    return handler({ ...request, params: { ...request.params, certificates: id, sni: key } })
  }
}

/** The SNI in the path is one of the certificate's, whether or not the body lists it. */
function putCertificate({ repository, catalog }: AdminOptions): Handler {
  return async ({ params, body }: AdminRequest) => {
    const input = entityInput(body, { catalog, definition: catalog.get('certificates') })
    const listed = input['snis']
    const snis = Array.isArray(listed) ? [...listed] : typeof listed === 'string' ? [listed] : null
    const name = params['sni']
    if (name !== undefined && snis !== null && !snis.includes(name)) snis.push(name)
    input['snis'] = snis ?? (name === undefined ? null : [name])
    return json(200, await repository.upsert('certificates', params['certificates']!, input))
  }
}
