/** Operations of the paths that are no entities, by method and path. */
import type { JsonSchema } from '../../schema/json-schema.ts'
import { ROLES } from '../admin-tokens.ts'
import type { Components } from './components.ts'
import { answer, jsonBody, noContent, type Operation, queryParameter, refusal, textAnswer } from './operation.ts'

const OBJECT: JsonSchema = { type: 'object' }
const text = (description: string): JsonSchema => ({ type: 'string', description })
const list = (items: JsonSchema): JsonSchema => ({ type: 'array', items })
const record = (properties: Record<string, JsonSchema>): JsonSchema => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
})
const page = (items: JsonSchema = OBJECT): JsonSchema => ({
  type: 'object',
  properties: { data: list(items), next: { type: ['string', 'null'] }, offset: { type: 'string' } },
  required: ['data', 'next'],
})
const messageBody = record({ message: { type: 'string' } })

type Make = (components: Components) => Operation

const read = (tag: string, summary: string, schema: JsonSchema = OBJECT): Make => {
  return ({ error }) => ({
    tags: [tag],
    summary,
    responses: {
      200: answer(schema),
      400: refusal(error, 'The request is not valid.'),
      404: refusal(error, 'Not there.'),
    },
  })
}
const done = (tag: string, summary: string): Make => {
  return ({ error }) => ({
    tags: [tag],
    summary,
    responses: { 204: noContent, 400: refusal(error, 'The request is not valid.'), 404: refusal(error, 'Not there.') },
  })
}
const setLevel: Make = ({ error }) => ({
  tags: ['debug'],
  summary: 'Change the log level for a while',
  parameters: [queryParameter('timeout', { type: 'integer', minimum: 0, default: 60 }, 'Seconds until it falls back.')],
  responses: {
    200: answer(messageBody),
    400: refusal(error, 'No such level.'),
    405: refusal(error, 'Not without a database.'),
  },
})
const tryOut = (what: string): Make => {
  return ({ error }) => ({
    tags: ['schemas'],
    summary: `Check ${what} without storing it`,
    requestBody: jsonBody(OBJECT),
    responses: {
      200: answer(messageBody),
      400: refusal(error, 'It is not valid.'),
      404: refusal(error, 'No such schema.'),
    },
  })
}
const loadConfig: Make = ({ error }) => ({
  tags: ['config'],
  summary: 'Replace the whole configuration of a node without a database',
  parameters: [
    queryParameter(
      'check_hash',
      { type: 'integer', enum: [0, 1] },
      '1: answer 304 when the node has this one already.',
    ),
    queryParameter('flatten_errors', { type: 'integer', enum: [0, 1] }, '1: list the errors by entity.'),
  ],
  requestBody: {
    required: true,
    content: {
      'application/json': { schema: OBJECT },
      'application/yaml': { schema: { type: 'string' } },
      'multipart/form-data': { schema: record({ config: text('The declarative file.') }) },
    },
  },
  responses: {
    201: answer(OBJECT, 'The entities, by kind and id.'),
    304: { description: 'The node has this configuration already.' },
    400: refusal(error, 'The configuration is not valid; the old one serves on.'),
    429: refusal(error, 'Another one is being loaded.'),
    504: refusal(error, 'Loading goes on, but takes long.'),
  },
})
const newToken: Make = ({ error }) => ({
  tags: ['clustering'],
  summary: 'Make a join token for data planes; it is shown this once',
  requestBody: jsonBody({
    type: 'object',
    properties: {
      name: { type: ['string', 'null'] },
      ttl: { type: 'integer', minimum: 60, description: 'Seconds.' },
      uses: { type: ['integer', 'null'], minimum: 1 },
    },
    additionalProperties: false,
  }),
  responses: {
    201: answer(OBJECT),
    400: refusal(error, 'The body is not valid, or this is no enrolling control plane.'),
  },
})
const newAdminToken: Make = ({ error }) => ({
  tags: ['access'],
  summary: 'Make a token of the Admin API; it is shown this once',
  requestBody: jsonBody({
    type: 'object',
    properties: {
      name: { type: 'string', minLength: 1 },
      role: { type: 'string', enum: [...ROLES], default: 'read-only' },
      ttl: { type: ['integer', 'null'], minimum: 60, description: 'Seconds.' },
    },
    required: ['name'],
    additionalProperties: false,
  }),
  responses: { 201: answer(OBJECT), 400: refusal(error, 'The body is not valid.') },
})
const plain = (tag: string, summary: string, type: string): Make => {
  return ({ error }) => ({
    tags: [tag],
    summary,
    responses: { 200: textAnswer(type), 404: refusal(error, 'Not there.') },
  })
}

const enabledPlugins = record({ enabled_plugins: list(text('Name of a plugin.')) })
const setTarget = (word: string) => done('upstreams', `Mark a target as ${word} on this node`)

export const specialOperations: Readonly<Record<string, Make>> = {
  'GET /': read('node', 'What this node is'),
  'GET /endpoints': read('node', 'All paths of the Admin API', record({ data: list(text('Path.')) })),
  'GET /timers': read('node', 'Timers that wait and run, with stacks for a flame graph'),
  'GET /robots.txt': plain('node', 'Robots, keep out', 'text/plain'),
  'GET /openapi.json': read('node', 'This document'),
  'GET /status': read('node', 'Connections, memory, and whether the database answers'),
  'GET /status/dns': ({ error }) => ({
    tags: ['node'],
    summary: 'Statistics of the DNS client',
    responses: { 200: answer(OBJECT), 501: refusal(error, 'This node has none.') },
  }),
  'GET /metrics': plain('node', 'Metrics for Prometheus', 'text/plain'),
  'DELETE /cache': done('cache', 'Empty the cache'),
  'GET /cache/{key}': read('cache', 'Read one value of the cache'),
  'DELETE /cache/{key}': done('cache', 'Drop one value of the cache'),
  'GET /debug/node/log-level': read('debug', 'The log level of this node', messageBody),
  'PUT /debug/node/log-level/{log_level}': setLevel,
  'PUT /debug/cluster/log-level/{log_level}': setLevel,
  'PUT /debug/cluster/control-planes-nodes/log-level/{log_level}': setLevel,
  'GET /config': read('config', 'The configuration of a node without a database', record({ config: text('YAML.') })),
  'POST /config': loadConfig,
  'GET /plugins/enabled': read('plugins', 'Plugins that this node knows', enabledPlugins),
  'GET /plugins/schema/{name}': read('plugins', "Schema of a plugin's `config`"),
  'GET /schemas/{name}': read('schemas', 'Schema of an entity'),
  'GET /schemas/plugins/{name}': read('schemas', 'Schema of a plugin'),
  'GET /schemas/vaults/{name}': read('schemas', 'Schema of a vault'),
  'GET /schemas/filters/{name}': read('schemas', 'Schema of a WebAssembly filter'),
  'POST /schemas/plugins/validate': tryOut('a plugin'),
  'POST /schemas/vaults/validate': tryOut('a vault'),
  'POST /schemas/{name}/validate': tryOut('an entity'),
  'GET /tags': read('tags', 'Which entities carry which tag', page()),
  'GET /tags/{tags}': read('tags', 'Which entities carry this tag', page()),
  'GET /clustering/status': read('clustering', 'Data planes by id'),
  'GET /clustering/data-planes': read('clustering', 'Data planes', page()),
  'GET /clustering/data-planes/{id}/health': read('clustering', 'Health of targets, as a data plane sees it'),
  'GET /clustering/tokens': read('clustering', 'Join tokens, without their secrets', page()),
  'POST /clustering/tokens': newToken,
  'DELETE /clustering/tokens/{token}': done('clustering', 'Revoke a join token'),
  'GET /clustering/nodes': read('clustering', 'Nodes that joined or ask to', page()),
  'POST /clustering/nodes/{node}/approve': read('clustering', 'Let a node join'),
  'POST /clustering/nodes/{node}/revoke': read('clustering', 'Shut a node out'),
  'GET /admin-tokens': read('access', 'Tokens of the Admin API, without their secrets', page()),
  'POST /admin-tokens': newAdminToken,
  'DELETE /admin-tokens/{token}': done('access', 'Revoke a token of the Admin API'),
  'GET /audit-log': read('access', 'Who changed what, newest first', page()),
  'GET /upstreams/{upstreams}/health': read('upstreams', 'Targets of an upstream, with their health'),
  'GET /upstreams/{upstreams}/targets/all': read('upstreams', 'Targets of an upstream, oldest first', page()),
  'PUT /upstreams/{upstreams}/targets/{targets}/healthy': setTarget('healthy'),
  'PUT /upstreams/{upstreams}/targets/{targets}/unhealthy': setTarget('unhealthy'),
  'PUT /upstreams/{upstreams}/targets/{targets}/{address}/healthy': setTarget('healthy'),
  'PUT /upstreams/{upstreams}/targets/{targets}/{address}/unhealthy': setTarget('unhealthy'),
}
