/** Routes: which requests go to which service. What a route may hold depends on its protocols and the router's flavour. */
import { compileRustRegex } from '../base/rust-regex.ts'
import { checkedExpression } from './expressions/check.ts'
import { defineEntity, type EntityDefinition } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import type { Fields } from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

export type RouterFlavor = 'traditional' | 'traditional_compatible' | 'expressions'

export const routeFields = {
  id: field.id(),
  created_at: typedefs.autoTimestampS(),
  updated_at: typedefs.autoTimestampS(),
  name: typedefs.utf8Name(),
  protocols: field.set(typedefs.protocol(), {
    len_min: 1,
    required: true,
    mutually_exclusive_subsets: [['http', 'https'], ['tcp', 'tls', 'udp'], ['tls_passthrough'], ['grpc', 'grpcs']],
    default: ['http', 'https'],
    description: 'The protocols this route serves.',
  }),
  https_redirect_status_code: field.integer({
    one_of: [426, 301, 302, 307, 308],
    default: 426,
    required: true,
    description: 'Answer to a request that fits but for its protocol.',
  }),
  strip_path: field.boolean({ required: true, default: true, description: 'Drop the matched prefix upstream.' }),
  preserve_host: field.boolean({
    required: true,
    default: false,
    description: 'Send the Host of the request upstream.',
  }),
  request_buffering: field.boolean({ required: true, default: true }),
  response_buffering: field.boolean({ required: true, default: true }),
  tags: typedefs.tags(),
  service: field.foreign('services', { description: 'Where the traffic goes.' }),
  snis: field.set(typedefs.wildcardHost()),
  sources: typedefs.addresses(),
  destinations: typedefs.addresses(),
  methods: typedefs.methods(),
  hosts: typedefs.routeHosts(),
  paths: typedefs.routerPaths(),
  headers: typedefs.headers({
    match_none: [
      {
        pattern: '^[Hh][Oo][Ss][Tt]$',
        err: "cannot contain 'host' header, which must be specified in the 'hosts' attribute",
      },
    ],
  }),
  regex_priority: field.integer({ default: 0, description: 'Decides between regex routes that fit alike.' }),
  path_handling: field.string({ default: 'v0', one_of: ['v0', 'v1'], description: 'How paths are joined.' }),
}

const snisNeedTls = {
  conditional: {
    if_field: 'protocols',
    if_match: { elements: { type: 'string', not_one_of: ['grpcs', 'https', 'tls', 'tls_passthrough'] } },
    then_field: 'snis',
    then_match: { len_eq: 0 },
    then_err: "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'",
  },
}

const expressionFields = {
  expression: field.string({ description: 'The condition, in the expression language.' }),
  priority: field.integer({ between: [0, 2 ** 46 - 1], required: true, default: 0 }),
}

const MATCH_FIELDS = ['snis', 'sources', 'destinations', 'methods', 'hosts', 'paths', 'headers'] as const

type Row = Readonly<Record<string, unknown>>
const isEmpty = (value: unknown) =>
  value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0)

/** Kong logs that `v1` is deprecated; the check is part of the published schema. */
const pathHandlingCheck = { custom_entity_check: { field_sources: ['path_handling'], fn: () => null } }

/** An expression stands for all match fields, and each way has a priority of its own. */
function expressionError(row: Row): string | null {
  const prefix = 'Router Expression failed validation: cannot set '
  const listed = "'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or 'destinations' "
  const hasExpression = (row['expression'] ?? null) !== null
  const hasOthers = MATCH_FIELDS.some(name => !isEmpty(row[name]))
  if (hasExpression && hasOthers) return `${prefix}'expression' with ${listed}simultaneously`
  if (hasExpression && (row['regex_priority'] ?? 0) !== 0) {
    return `${prefix}'regex_priority' with 'expression' simultaneously`
  }
  if (hasOthers && (row['priority'] ?? 0) !== 0) return `${prefix}'priority' with ${listed}simultaneously`
  return null
}

/** `~*` begins a regex for the value in lower case. Traditional routers compare it as text. */
function headerError(row: Row): string | null {
  const values = Object.values((row['headers'] ?? {}) as Readonly<Record<string, readonly string[]>>).flat()
  for (const value of values) {
    const error = value.startsWith('~*') ? regexError(value.slice(2).toLowerCase()) : null
    if (error !== null) return `Router Expression failed validation: ${error}`
  }
  return null
}

const matchCheck = {
  custom_entity_check: {
    field_sources: ['id', 'protocols', ...MATCH_FIELDS, 'expression', 'regex_priority', 'priority'],
    run_with_missing_fields: true,
    fn: (row: Row) => expressionError(row) ?? headerError(row) ?? expressionProblem(row),
  },
}

const STREAM_PROTOCOLS: ReadonlySet<unknown> = new Set(['tcp', 'tls', 'udp', 'tls_passthrough'])

/** The first protocol decides which fields there are. */
function expressionProblem({ expression, protocols }: Row): string | null {
  if (typeof expression !== 'string') return null
  const [first] = (protocols ?? []) as readonly unknown[]
  try {
    checkedExpression(expression, STREAM_PROTOCOLS.has(first) ? 'stream' : 'http')
    return null
  } catch (error) {
    return `Router Expression failed validation: ${(error as Error).message}`
  }
}

function regexError(pattern: string): string | null {
  try {
    compileRustRegex(pattern)
    return null
  } catch (error) {
    return (error as Error).message
  }
}

/** The traditional router knows no wildcard server names; only the expression router has expressions. */
export function routesFor(flavor: RouterFlavor): EntityDefinition {
  const definition = { ...routes, fields: routeFields as Fields }
  if (flavor === 'traditional') {
    const ordered = Object.entries(routeFields).map(([name, f]) => [
      name,
      name === 'snis' ? field.set(typedefs.sni()) : f,
    ])
    return {
      ...definition,
      fields: Object.fromEntries(ordered) as Fields,
      entity_checks: [snisNeedTls, pathHandlingCheck],
    }
  }
  if (flavor === 'traditional_compatible') return definition
  return {
    ...definition,
    fields: { ...routeFields, ...expressionFields },
  }
}

export const routes = defineEntity({
  name: 'routes',
  endpoint_key: 'name',
  subschema_key: 'protocols',
  fields: routeFields,
  entity_checks: [snisNeedTls, pathHandlingCheck, matchCheck],
})
