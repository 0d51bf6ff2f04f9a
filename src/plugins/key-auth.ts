/** Authenticates consumers by an API key sent in a header, in the query string or in the body. */
import { encodeBodyArguments, findMember, readBodyArguments, removeMember } from '../sdk/body-arguments.ts'
import { anonymousAnswer, findAnonymous } from '../sdk/anonymous-consumer.ts'
import { defineEntity, definePlugin, field, typedefs } from '../sdk/sdk.ts'
import type { Awaitable, EntityOf, Reply, RequestPhase } from '../sdk/sdk.ts'

export const keyCredentials = defineEntity({
  name: 'keyauth_credentials',
  admin_path: 'key-auths',
  admin_nested_path: 'key-auth',
  endpoint_key: 'key',
  ttl: true,
  fields: {
    id: typedefs.uuid(),
    created_at: typedefs.autoTimestampS(),
    consumer: field.foreign('consumers', { required: true, on_delete: 'cascade' }),
    key: field.string({ unique: true, auto: true }),
    tags: typedefs.tags(),
  },
})

export default definePlugin({
  name: 'key-auth',
  priority: 1250,
  protocols: typedefs.HTTP_PROTOCOLS,
  scopes: ['service', 'route'],
  entities: [keyCredentials],
  docs: {
    summary: 'Require an API key.',
    details:
      'The names in `key_names` are tried in order, each in the header, the query string and the body as far as ' +
      'these are enabled; the first that the request carries decides. With `anonymous`, a request without a valid ' +
      'key goes on as that consumer.',
    example: { key_names: ['x-api-key'], hide_credentials: true },
  },
  config: {
    key_names: field.array(field.headerName(), {
      required: true,
      default: ['apikey'],
      description: 'Names of the header, query argument or body member that carries the key.',
    }),
    hide_credentials: field.boolean({
      required: true,
      default: false,
      description: 'Remove the key from the request before it is proxied.',
    }),
    anonymous: field.string({
      description: 'Id or username of the consumer that requests without a valid key are taken for.',
    }),
    key_in_header: field.boolean({ required: true, default: true, description: 'Look for the key in the headers.' }),
    key_in_query: field.boolean({
      required: true,
      default: true,
      description: 'Look for the key in the query string.',
    }),
    key_in_body: field.boolean({
      required: true,
      default: false,
      description: 'Look for the key in a form, JSON or multipart body.',
    }),
    run_on_preflight: field.boolean({
      required: true,
      default: true,
      description: 'Require a key for `OPTIONS` requests too.',
    }),
    realm: field.string({
      required: false,
      description: 'Realm named in the `WWW-Authenticate` header of a refusal.',
      since: '3.7',
    }),
  },

  prepare(config, tools) {
    const challenge = config.realm === null ? 'Key' : `Key realm="${config.realm}"`
    const duplicate = unauthorized('Duplicate API key found', challenge)
    const missing = unauthorized('No API key found in request', challenge)
    const unknown = unauthorized('Unauthorized', challenge)
    const { key_in_header, key_in_query, key_in_body, hide_credentials, anonymous } = config
    const names = config.key_names.map(name => ({ name, lower: name.toLowerCase() }))

    function refuse(exchange: RequestPhase, refusal: Reply): Reply | undefined {
      if (anonymous === null) return refusal
      const consumer = findAnonymous(tools.entities, anonymous)
      if (consumer === null) return anonymousAnswer(anonymous)
      exchange.authenticate(consumer, null, { anonymous: true })
    }

    function admit(exchange: RequestPhase, credential: EntityOf<typeof keyCredentials> | null): Reply | undefined {
      if (credential === null) return refuse(exchange, unknown)
      // The reference is kept intact by the configuration; null only while a change is being applied.
      const consumer = tools.entities.find('consumers', credential.consumer.id)
      if (consumer === null) return refuse(exchange, unknown)
      exchange.authenticate(consumer, credential)
    }

    function check(exchange: RequestPhase, name: string, lower: string, key: string): Awaitable<Reply | undefined> {
      if (hide_credentials) {
        exchange.upstreamRequest.clearQuery(name)
        exchange.upstreamRequest.clearHeader(lower)
        if (lower.includes('_')) exchange.upstreamRequest.clearHeader(lower.replaceAll('_', '-'))
      }
      if (key === '') return refuse(exchange, missing)
      const found = tools.find(keyCredentials, 'key', key)
      return found instanceof Promise ? found.then(one => admit(exchange, one)) : admit(exchange, found)
    }

    /** The common case: nothing to wait for, so that no promise is made. */
    function accessHead(exchange: RequestPhase): Awaitable<Reply | undefined> {
      for (const { name, lower } of names) {
        const value = keyInHead(exchange, name, lower, key_in_header, key_in_query)
        if (value === undefined) continue
        if (value === repeated) return refuse(exchange, duplicate)
        return check(exchange, name, lower, value)
      }
      return refuse(exchange, missing)
    }

    async function accessBody(exchange: RequestPhase): Promise<Reply | undefined> {
      const body = await readBodyArguments(exchange.request)
      for (const { name, lower } of names) {
        const member = body === null ? undefined : findMember(body, name)
        const value = keyInHead(exchange, name, lower, key_in_header, key_in_query) ?? member
        if (value === repeated || (typeof value === 'object' && value !== null)) return refuse(exchange, duplicate)
        if (typeof value !== 'string') continue
        if (hide_credentials && body !== null && member !== undefined) {
          removeMember(body, name)
          exchange.upstreamRequest.setBody(encodeBodyArguments(body))
        }
        return check(exchange, name, lower, value)
      }
      return refuse(exchange, missing)
    }

    return {
      access(exchange) {
        if (!config.run_on_preflight && exchange.request.method === 'OPTIONS') return
        // With `anonymous`, authentication methods are alternatives: an earlier one was enough.
        if (anonymous !== null && exchange.credential !== null) return
        return key_in_body ? accessBody(exchange) : accessHead(exchange)
      },
    }
  },
})

const repeated = Symbol('the key is sent more than once')

function keyInHead(
  { request }: RequestPhase,
  name: string,
  lower: string,
  inHeader: boolean,
  inQuery: boolean,
): string | typeof repeated | undefined {
  if (inHeader) {
    const value = request.header(lower)
    if (value !== undefined) return request.headerValues(lower).length > 1 ? repeated : value
  }
  if (!inQuery || request.rawQuery === '') return
  const value = request.query(name)
  if (value === undefined) return
  if (request.queryValues(name).length > 1) return repeated
  // `?apikey` without `=` is no value, unlike `?apikey=`: Kong goes on to the next name.
  if (value === '' && request.queryArguments().some(([other, text]) => other === name && text === null)) return
  return value
}

function unauthorized(message: string, challenge: string): Reply {
  return { status: 401, body: { message }, headers: { 'WWW-Authenticate': challenge }, negotiate: true }
}
