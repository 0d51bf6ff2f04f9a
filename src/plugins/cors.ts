/** Answers CORS preflight requests, and adds the headers that let browsers of other origins read responses. */
import { definePlugin, field, typedefs } from '../sdk/sdk.ts'
import type { ClientRequest, ResponseHeaders } from '../sdk/sdk.ts'
import { createOriginMatcher, isPlainOrigin, originError } from '../sdk/origin-matcher.ts'

const methods = ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'] as const

export default definePlugin({
  name: 'cors',
  priority: 2000,
  protocols: typedefs.HTTP_PROTOCOLS,
  scopes: ['service', 'route'],
  docs: {
    summary: 'Let browsers of other origins use an API.',
    details:
      'An entry of `origins` is an origin, a regular expression that must match a whole origin (or its host, if the ' +
      'entry has no colon), or `*`. A preflight request is answered here, unless `preflight_continue` leaves that to ' +
      'the upstream.',
    example: { origins: ['https://app.example.com'], methods: ['GET', 'POST'], credentials: true, max_age: 3600 },
  },
  config: {
    origins: field.array(field.string({ custom_validator: originError }), {
      description: 'Origins that are allowed; all, if there is none.',
    }),
    headers: field.array(field.string(), {
      description: 'Request headers that are allowed; those asked for, if there is none.',
    }),
    exposed_headers: field.array(field.string(), { description: 'Response headers that scripts may read.' }),
    methods: field.array(field.string({ one_of: methods }), {
      default: methods,
      description: 'Methods that are allowed.',
    }),
    max_age: field.number({ description: 'Seconds for which a browser may remember the answer to a preflight.' }),
    credentials: field.boolean({
      required: true,
      default: false,
      description: 'Allow requests with cookies or other credentials.',
    }),
    private_network: field.boolean({
      required: true,
      default: false,
      description: 'Allow requests from public pages to a private network.',
    }),
    preflight_continue: field.boolean({
      required: true,
      default: false,
      description: 'Proxy preflight requests instead of answering them.',
    }),
  },

  prepare(config, tools) {
    const decideOrigin = originDecision(config.origins ?? [])
    const allowHeaders = config.headers?.length ? config.headers.join(',') : null
    const allowMethods = (config.methods ?? methods).join(',')
    const exposeHeaders = config.exposed_headers?.length ? config.exposed_headers.join(',') : null
    const maxAge = config.max_age === null ? null : String(config.max_age)
    const member = `cors ${tools.scope.plugin_id}`

    function allowOrigin(request: ClientRequest, response: ResponseHeaders, addVary: AddVary): void {
      const allowsAll = decideOrigin(request, response, addVary)
      if (!config.credentials) return
      if (!allowsAll) {
        response.setHeader('Access-Control-Allow-Credentials', 'true')
        return
      }
      // A browser takes `*` for no credentials, so the origin itself has to be named.
      const origin = request.header('origin')
      if (origin === undefined) return
      addVary(response)
      response.setHeader('Access-Control-Allow-Origin', origin)
      response.setHeader('Access-Control-Allow-Credentials', 'true')
    }

    function answerPreflight(request: ClientRequest, response: ResponseHeaders): void {
      allowOrigin(request, response, setVary)
      const asked = allowHeaders ?? request.header('access-control-request-headers')
      if (asked === undefined) response.clearHeader('Access-Control-Allow-Headers')
      else response.setHeader('Access-Control-Allow-Headers', asked)
      response.setHeader('Access-Control-Allow-Methods', allowMethods)
      if (maxAge !== null) response.setHeader('Access-Control-Max-Age', maxAge)
      if (config.private_network && request.header('access-control-request-private-network') === 'true') {
        response.setHeader('Access-Control-Allow-Private-Network', 'true')
      }
    }

    return {
      access({ request, response, shared }) {
        if (!isPreflight(request)) return
        shared[member] = true
        if (config.preflight_continue) return
        answerPreflight(request, response)
        return { status: 200 }
      },
      headerFilter({ request, response, shared }) {
        // A preflight has all its headers, from here or from the upstream it was left to.
        if (shared[member] === true) return
        allowOrigin(request, response, addVaryValue)
        if (exposeHeaders !== null) response.setHeader('Access-Control-Expose-Headers', exposeHeaders)
      },
    }
  },
})

type AddVary = (response: ResponseHeaders) => void
const setVary: AddVary = response => response.setHeader('Vary', 'Origin')
const addVaryValue: AddVary = response => response.addHeader('Vary', 'Origin')

function isPreflight(request: ClientRequest): boolean {
  if (request.method !== 'OPTIONS' || !request.header('origin')) return false
  return request.header('access-control-request-method') !== undefined
}

/** Sets Access-Control-Allow-Origin; returns whether every origin is allowed. */
function originDecision(origins: readonly string[]) {
  if (origins.length === 0 || (origins.length === 1 && origins[0] === '*')) {
    return (_request: ClientRequest, response: ResponseHeaders): boolean => {
      response.setHeader('Access-Control-Allow-Origin', '*')
      return true
    }
  }
  const only = origins.length === 1 && isPlainOrigin(origins[0]!) ? origins[0]! : null
  const allowsAny = origins.includes('*')
  const match = createOriginMatcher(origins.filter(origin => origin !== '*'))

  return (request: ClientRequest, response: ResponseHeaders, addVary: AddVary): boolean => {
    // Whatever the outcome, it depends on the origin: caches must know.
    addVary(response)
    if (only !== null) {
      response.setHeader('Access-Control-Allow-Origin', only)
      return false
    }
    const origin = request.header('origin')
    if (origin !== undefined && allowsAny) {
      response.setHeader('Access-Control-Allow-Origin', '*')
      return true
    }
    const allowed = origin === undefined ? null : match(origin)
    if (allowed === null) response.clearHeader('Access-Control-Allow-Origin')
    else response.setHeader('Access-Control-Allow-Origin', allowed)
    return false
  }
}
