/** Changes method, path, headers, query and body of a request before it is proxied. */
import { headerPairError, headerRenameError, parsePair, parsePairs, type Pair } from '../sdk/pair-list.ts'
import { transformBodyMembers } from '../sdk/transform-body.ts'
import { definePlugin, field, typedefs } from '../sdk/sdk.ts'
import type { Reply, RequestPhase, UpstreamRequest } from '../sdk/sdk.ts'
import { bodyFormat, inspectedBodyBytesMax } from '../sdk/body-arguments.ts'
import { parseFormArguments } from '../sdk/request-arguments.ts'
import { compileTemplate, compileUnchecked, LazyTable, TemplateError, type TemplateScope } from '../sdk/template.ts'
import { appendValue, transformMembers, type MemberTable, type MemberSteps } from '../sdk/transform-members.ts'

const names = field.array(field.string(), { required: true, default: [] })
const headerNames = field.array(field.string({ custom_validator: headerPairError }), { required: true, default: [] })
const pairs = field.array(field.string({ custom_validator: valueError }), { required: true, default: [] })
const headerPairs = field.array(field.string({ match: '^[^:]+:.*$', custom_validator: headerPairError }), {
  required: true,
  default: [],
})
const headerRenames = field.array(field.string({ match: '^[^:]+:.*$', custom_validator: headerRenameError }), {
  required: true,
  default: [],
})
const changes = { body: pairs, headers: headerPairs, querystring: pairs }

export default definePlugin({
  name: 'request-transformer',
  priority: 801,
  protocols: typedefs.PROTOCOLS,
  protocols_default: typedefs.HTTP_PROTOCOLS,
  scopes: ['service', 'route', 'consumer'],
  docs: {
    summary: 'Change requests before they are proxied.',
    details:
      'First path and method, then headers, body and query; in each remove, rename, replace, add, append. Entries are ' +
      '`name:value`. Values may contain `$(expression)` with `headers`, `query_params`, `uri_captures` and `shared`, ' +
      'members, literals, `or`, `and`, `not`, comparisons, `..`, `type()`, `tostring()`, `tonumber()` and the string ' +
      'methods `lower`, `upper`, `sub`, `len`, `reverse`. Other Lua is refused. Bodies are changed when they are JSON ' +
      'objects, forms or multipart forms.',
    example: {
      add: { headers: ['x-user:$(headers["x-consumer-username"] or "nobody")'] },
      remove: { headers: ['x-debug'] },
    },
  },
  config: {
    http_method: field.extend(typedefs.httpMethod(), { description: 'The method to use instead.' }),
    remove: field.record(
      { body: names, headers: headerNames, querystring: names },
      { description: 'What to take away.' },
    ),
    rename: field.record(
      { body: pairs, headers: headerRenames, querystring: pairs },
      { description: 'Old and new names.' },
    ),
    replace: field.record(
      { ...changes, uri: field.string({ description: 'The path to use instead.' }) },
      { description: 'New values for what is there.' },
    ),
    add: field.record(changes, { description: 'What to add where it is missing.' }),
    append: field.record(changes, { description: 'What to add in any case.' }),
  },
  // Kong checks the templates of queries and bodies in their schema, and those of headers and paths not at all.
  config_validator(config) {
    const texts = [config.replace, config.add, config.append].flatMap(({ headers }) => headers)
    const values = texts.map(entry => parsePair(entry).value)
    if (config.replace.uri !== null) values.push(config.replace.uri)
    for (const value of values) {
      const error = templateError(value, compileUnchecked)
      if (error !== null) return error
    }
    return null
  },

  prepare({ http_method, remove, rename, replace, add, append }, tools) {
    const steps = (part: 'headers' | 'querystring' | 'body'): Steps => ({
      remove: parsePairs(remove[part]).map(({ name }) => name),
      rename: parsePairs(rename[part]).map(toChange),
      replace: parsePairs(replace[part]).map(toChange),
      add: parsePairs(add[part]).map(toChange),
      append: parsePairs(append[part]).map(toChange),
    })
    const headers = steps('headers')
    const querystring = steps('querystring')
    const body = steps('body')
    const path = replace.uri ? compileUnchecked(replace.uri) : null
    const mergesForm = http_method !== null && ['GET', 'HEAD', 'TRACE'].includes(http_method)

    function fail(error: unknown): Reply {
      if (!(error instanceof TemplateError)) throw error
      tools.log.error(`request-transformer: failed to render a template: ${error.message}`)
      return { status: 500, body: { message: 'An unexpected error occurred' }, negotiate: true }
    }

    /** Before anything changes: a value may come from a header that is removed or replaced. */
    const renderAll = (scope: TemplateScope) => ({
      headers: isEmpty(headers) ? null : render(headers, scope),
      body: isEmpty(body) ? null : render(body, scope),
      querystring: isEmpty(querystring) ? null : render(querystring, scope),
    })

    /** Everything up to the body; the query comes last, but only templates could tell. */
    function transformHead({ upstreamRequest }: RequestPhase, scope: TemplateScope): void {
      if (path !== null) upstreamRequest.setPath(path(scope))
      if (http_method !== null) upstreamRequest.setMethod(http_method)
    }

    async function transformWithBody(exchange: RequestPhase, scope: TemplateScope): Promise<Reply | undefined> {
      const { upstreamRequest } = exchange
      try {
        transformHead(exchange, scope)
        const format = bodyFormat(upstreamRequest.header('content-type'))
        if (mergesForm && format === 'form') await mergeForm(upstreamRequest)
        const rendered = renderAll(scope)
        if (rendered.headers !== null) transformHeaders(upstreamRequest, rendered.headers)
        if (rendered.body !== null) await transformBody(upstreamRequest, rendered.body)
        if (rendered.querystring !== null) transformQuery(upstreamRequest, rendered.querystring)
      } catch (error) {
        return fail(error)
      }
    }

    return {
      access(exchange) {
        const { upstreamRequest } = exchange
        const scope = scopeOf(exchange)
        const format = bodyFormat(upstreamRequest.header('content-type'))
        if (format !== null && (mergesForm || !isEmpty(body))) return transformWithBody(exchange, scope)
        try {
          transformHead(exchange, scope)
          const rendered = renderAll(scope)
          if (rendered.headers !== null) transformHeaders(upstreamRequest, rendered.headers)
          if (rendered.querystring !== null) transformQuery(upstreamRequest, rendered.querystring)
        } catch (error) {
          return fail(error)
        }
      },
    }
  },
})

interface Change {
  readonly name: string
  /** Null leaves the name as it is: an entry without value. */
  readonly value: ((scope: TemplateScope) => string) | null
}
interface Steps {
  readonly remove: readonly string[]
  readonly rename: readonly Change[]
  readonly replace: readonly Change[]
  readonly add: readonly Change[]
  readonly append: readonly Change[]
}

function toChange({ name, value }: Pair): Change {
  return { name, value: value === '' ? null : compileUnchecked(value) }
}

function isEmpty(steps: Steps): boolean {
  return Object.values(steps).every(list => list.length === 0)
}

function render(steps: Steps, scope: TemplateScope): MemberSteps<string> {
  const all = (changes: readonly Change[]) =>
    changes.flatMap(({ name, value }) => (value === null ? [] : [[name, value(scope)] as const]))
  const { remove, rename, replace, add, append } = steps
  return { remove, rename: all(rename), replace: all(replace), add: all(add), append: all(append) }
}

/** Members as earlier plugins left them: `headers` shows what authentication added. */
function scopeOf({ request, upstreamRequest, shared }: RequestPhase): TemplateScope {
  const oneOrMany = (values: readonly unknown[]) => (values.length > 1 ? values : values[0])
  return {
    headers: new LazyTable(name => {
      const values = upstreamRequest.headerValues(name)
      return oneOrMany(values.length > 0 ? values : upstreamRequest.headerValues(name.replaceAll('_', '-')))
    }),
    query_params: new LazyTable(name => {
      const given = upstreamRequest.queryArguments().filter(([other]) => other === name)
      return oneOrMany(given.map(([, value]) => value ?? true))
    }),
    uri_captures: new LazyTable(name =>
      Object.hasOwn(request.uriCaptures, name) ? request.uriCaptures[name] : undefined,
    ),
    shared,
  }
}

/** The new state of each header that a step touches; all at once at the end, as templates see the old state. */
function transformHeaders(upstream: UpstreamRequest, steps: MemberSteps<string>): void {
  const touched = new Map<string, { name: string; values: readonly string[] }>()
  const values = (name: string) => touched.get(name.toLowerCase())?.values ?? upstream.headerValues(name)
  const put = (name: string, now: readonly string[]) => touched.set(name.toLowerCase(), { name, values: now })
  const isHost = (name: string) => name.toLowerCase() === 'host'

  for (const name of steps.remove) if (!isHost(name)) put(name, [])
  for (const [from, to] of steps.rename) {
    const moved = values(from)
    if (moved.length === 0 || from === to || isHost(from)) continue
    put(from, [])
    put(to, moved)
  }
  for (const [name, value] of steps.replace) if (values(name).length > 0 || isHost(name)) put(name, [value])
  for (const [name, value] of steps.add) if (values(name).length === 0 && !isHost(name)) put(name, [value])
  for (const [name, value] of steps.append) if (!isHost(name)) put(name, [...values(name), value])

  for (const { name, values: now } of touched.values()) {
    if (now.length === 0) upstream.clearHeader(name)
    else upstream.setHeader(name, now.length === 1 ? now[0]! : now)
  }
}

function queryMembers(upstream: UpstreamRequest): MemberTable {
  const table: MemberTable = new Map()
  for (const [name, value] of upstream.queryArguments()) {
    const known = table.get(name)
    table.set(name, known === undefined ? (value ?? true) : appendValue(known, value ?? true, true))
  }
  return table
}

function setQueryMembers(upstream: UpstreamRequest, table: MemberTable): void {
  const sorted = [...table].sort(([a], [b]) => (a < b ? -1 : 1))
  const flat = sorted.flatMap(([name, value]) =>
    Array.isArray(value) ? value.map(one => [name, one]) : [[name, value]],
  )
  upstream.setQueryArguments(
    flat.map(([name, value]) => [String(name), value === true ? null : String(value)] as const),
  )
}

function transformQuery(upstream: UpstreamRequest, steps: MemberSteps): void {
  const table = queryMembers(upstream)
  transformMembers(table, steps)
  setQueryMembers(upstream, table)
}

/** A form that loses its body with the method goes on in the query. */
async function mergeForm(upstream: UpstreamRequest): Promise<void> {
  const form = parseFormArguments(Buffer.from(await upstream.body(inspectedBodyBytesMax)).toString())
  if (form.size === 0) return
  const table = queryMembers(upstream)
  for (const [name, value] of form) {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value]
    for (const one of values) {
      const known = table.get(name)
      table.set(name, known === undefined ? one : appendValue(known, one, true))
    }
  }
  setQueryMembers(upstream, table)
}

async function transformBody(upstream: UpstreamRequest, steps: MemberSteps): Promise<void> {
  const body = await upstream.body(inspectedBodyBytesMax)
  const transformed = transformBodyMembers(upstream.header('content-type'), body, steps)
  if (transformed !== null) upstream.setBody(transformed)
}

function templateError(value: string, compile = compileTemplate): string | null {
  try {
    compile(value)
    return null
  } catch (error) {
    return `value '${value}' is not in supported format, error:${(error as Error).message}`
  }
}

function valueError(entry: string): string | null {
  const { name, value } = parsePair(entry)
  return value === '' ? `key '${name}' has no value` : templateError(value)
}
