/** Changes headers and JSON bodies of responses before they are sent to the client. */
import { headerRenameError, parsePairs } from '../sdk/pair-list.ts'
import { definePlugin, field, typedefs } from '../sdk/sdk.ts'
import type { ResponsePhase } from '../sdk/sdk.ts'
import { appendValue } from '../sdk/transform-members.ts'

const names = field.array(field.string(), { required: true, default: [] })
const pairs = field.array(field.string({ match: '^[^:]+:.*$' }), { required: true, default: [] })
const headerRenames = field.array(field.string({ match: '^[^:]+:.*$', custom_validator: headerRenameError }), {
  required: true,
  default: [],
})
const jsonTypes = field.array(field.string({ one_of: ['boolean', 'number', 'string'] }), {
  required: true,
  default: [],
  description: 'Types of the values in `json`, by position; text where there is none.',
})
const changes = { json: pairs, json_types: jsonTypes, headers: pairs }

export default definePlugin({
  name: 'response-transformer',
  priority: 800,
  protocols: typedefs.HTTP_PROTOCOLS,
  scopes: ['service', 'route', 'consumer'],
  docs: {
    summary: 'Change responses before they reach the client.',
    details:
      'Headers and members of a JSON object are removed, renamed, replaced, added and appended, in this order. ' +
      'Entries are `name:value`. A body is held in memory while it is changed; one that is not JSON stays as it is.',
    example: { add: { headers: ['x-served-by:silverback'], json: ['count:1'], json_types: ['number'] } },
  },
  config: {
    remove: field.record({ json: names, headers: names }, { description: 'What to take away.' }),
    rename: field.record({ json: pairs, headers: headerRenames }, { description: 'Old and new names.' }),
    replace: field.record(changes, { description: 'New values for what is there.' }),
    add: field.record(changes, { description: 'What to add where it is missing.' }),
    append: field.record(changes, { description: 'What to add in any case.' }),
  },

  prepare(config, tools) {
    const headers = {
      remove: parsePairs(config.remove.headers).map(({ name }) => name),
      rename: parsePairs(config.rename.headers).filter(({ value }) => value !== ''),
      replace: parsePairs(config.replace.headers).filter(({ value }) => value !== ''),
      add: parsePairs(config.add.headers).filter(({ value }) => value !== ''),
      append: parsePairs(config.append.headers),
    }
    const members: MemberChanges = {
      remove: parsePairs(config.remove.json).map(({ name }) => name),
      rename: parsePairs(config.rename.json).flatMap(({ name, value }) =>
        value === '' ? [] : [[name, value] as const],
      ),
      replace: typedValues(config.replace),
      add: typedValues(config.add),
      append: typedValues(config.append),
    }
    const changesBody = [config.remove, config.rename, config.replace, config.add, config.append].some(
      ({ json }) => json.length > 0,
    )

    function transformHeaders({ response }: ResponsePhase): void {
      // What is there is judged by the response as it came: a removed header is not added again.
      const before = response.headers()
      const isThere = (name: string) => Object.hasOwn(before, name.toLowerCase())
      for (const name of headers.remove) response.clearHeader(name)
      for (const { name, value } of headers.rename) {
        if (!isThere(name)) continue
        response.setHeader(value, before[name.toLowerCase()]!)
        response.clearHeader(name)
      }
      for (const { name, value } of headers.replace) if (isThere(name)) response.setHeader(name, value)
      for (const { name, value } of headers.add) if (!isThere(name)) response.setHeader(name, value)
      for (const { name, value } of headers.append) response.addHeader(name, value)
    }

    function transformBody(body: Buffer): Uint8Array {
      const json = parseObject(body)
      if (json === null) {
        tools.log.warn('response-transformer: body transform failed: failed parsing json body')
        return body
      }
      if (!Array.isArray(json)) changeMembers(json, members)
      return Buffer.from(JSON.stringify(json))
    }

    const hasHeaders = Object.values(headers).some(list => list.length > 0)
    return {
      headerFilter(exchange) {
        if (hasHeaders) transformHeaders(exchange)
        if (!changesBody || exchange.request.method === 'HEAD') return
        if (isJson(exchange.response.header('content-type'))) exchange.response.transformBody(transformBody)
      },
    }
  },
})

type JsonObject = Record<string, unknown>
type NamedValue = readonly [name: string, value: unknown]
interface MemberChanges {
  readonly remove: readonly string[]
  readonly rename: readonly (readonly [from: string, to: string])[]
  readonly replace: readonly NamedValue[]
  readonly add: readonly NamedValue[]
  readonly append: readonly NamedValue[]
}

/** Values that cannot have their type are left out. */
function typedValues({ json, json_types }: { json: readonly string[]; json_types: readonly string[] }): NamedValue[] {
  return parsePairs(json).flatMap(({ name, value }, i) => {
    const typed = typedValue(value, json_types[i])
    return typed === undefined ? [] : [[name, typed] as const]
  })
}

function typedValue(value: string, type: string | undefined): unknown {
  // Kong takes the JSON form of the text and undoes only the escapes of quotes and slashes.
  const text = value === '' ? 'null' : JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll('\\/', '/')
  if (type === 'boolean') return text === 'true'
  if (type !== 'number') return text
  const number = Number(text)
  return text.trim() === '' || Number.isNaN(number) ? undefined : number
}

function changeMembers(json: JsonObject, changes: MemberChanges): void {
  const has = (name: string) => Object.hasOwn(json, name)
  for (const name of changes.remove) delete json[name]
  for (const [from, to] of changes.rename) {
    if (!has(from)) continue
    const moved = json[from]
    json[to] = moved
    if (to !== from) delete json[from]
  }
  // In Lua `false` is as good as absent.
  for (const [name, value] of changes.replace) if (has(name) && json[name] !== false) json[name] = value
  for (const [name, value] of changes.add) if (!has(name) || json[name] === false) json[name] = value
  for (const [name, value] of changes.append) json[name] = appendValue(has(name) ? json[name] : undefined, value)
}

/** Some member of the header is `application/json`, or has the suffix `+json`. */
function isJson(contentType: string | undefined): boolean {
  if (contentType === undefined) return false
  return contentType.split(',').some(type => /^\s*(?:application\/json|[^\s/;]+\/[^\s;]+\+json)\s*(?:;|$)/i.test(type))
}

function parseObject(body: Buffer): JsonObject | null {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null ? (value as JsonObject) : null
  } catch {
    // Reported by the caller.
    return null
  }
}
