/** Gives every request an id that the upstream, the log and, on demand, the client see. */
import { definePlugin, field, typedefs } from '../sdk/sdk.ts'
import type { ClientRequest, PluginTools } from '../sdk/sdk.ts'

export default definePlugin({
  name: 'correlation-id',
  priority: 100001,
  protocols: typedefs.HTTP_PROTOCOLS,
  scopes: ['service', 'route', 'consumer'],
  docs: {
    summary: 'Add an id to requests, to follow them through systems.',
    details:
      'An id that the client sent is kept. `uuid#counter` is one UUID per worker with a number counted from 1; ' +
      '`tracker` is made of address, port, process, connection, request on the connection and time.',
    example: { header_name: 'Kong-Request-ID', generator: 'uuid', echo_downstream: true },
  },
  config: {
    header_name: field.string({ default: 'Kong-Request-ID', description: 'Header that carries the id.' }),
    generator: field.string({
      required: true,
      default: 'uuid#counter',
      one_of: ['uuid', 'uuid#counter', 'tracker'],
      description: 'How an id is made.',
    }),
    echo_downstream: field.boolean({
      required: true,
      default: false,
      description: 'Send the id to the client too.',
    }),
  },

  prepare(config, tools) {
    const header = config.header_name ?? 'Kong-Request-ID'
    const generate = generator(config.generator, tools)
    const member = `correlation-id ${tools.scope.plugin_id}`

    return {
      access(exchange) {
        let id = exchange.request.header(header)
        if (id === undefined || id === '') {
          id = generate(exchange.request)
          exchange.upstreamRequest.setHeader(header, id)
        }
        exchange.setLogField('correlation_id', id)
        exchange.shared[member] = id
      },
      ...(config.echo_downstream && {
        // A request that ended before `access`, for want of a route, gets its id only here.
        headerFilter({ request, response, shared }) {
          const id = (shared[member] as string | undefined) ?? request.header(header)
          response.setHeader(header, id ? id : generate(request))
        },
      }),
    }
  },
})

/** All instances of a worker count together, as in Kong; a worker is recognised by its metric registry. */
const workers = new WeakMap<object, { readonly uuid: string; count: number }>()

function generator(kind: string, { random, clock, metrics }: PluginTools): (request: ClientRequest) => string {
  if (kind === 'uuid') return () => random.uuid()
  if (kind === 'tracker') {
    return ({ localAddress, localPort, connectionSerial, connectionRequests }) => {
      const seconds = (clock.now() / 1000).toFixed(3)
      return `${localAddress}-${localPort}-${process.pid}-${connectionSerial}-${connectionRequests}-${seconds}`
    }
  }
  const worker = workers.get(metrics) ?? { uuid: random.uuid(), count: 0 }
  workers.set(metrics, worker)
  return () => `${worker.uuid}#${++worker.count}`
}
