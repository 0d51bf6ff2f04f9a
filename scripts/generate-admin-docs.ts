/** docs/admin-api.md: every path of the Admin API and every field of its entities, made from the definitions. */
import type { AdminOptions } from '../src/admin/admin-options.ts'
import { adminEndpoints } from '../src/admin/admin-endpoints.ts'
import { openApiDocument } from '../src/admin/openapi/document.ts'
import { systemRandom } from '../src/base/random.ts'
import type { EntityDefinition } from '../src/schema/entity.ts'
import { STORE_ERRORS } from '../src/store/errors.ts'
import { bundledCatalog as catalog } from './bundled-catalog.ts'
import { cell, fieldRows } from './generate-plugin-docs.ts'

interface Operation {
  readonly tags: readonly string[]
  readonly summary: string
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const

const INTRODUCTION = `<!-- Generated from the schemas by scripts/generate-docs.ts. Do not edit. -->

# Admin API

Paths, answers and errors are those of Kong 3.9. The same as OpenAPI 3.1, with the schema of every body, is at
\`/openapi.json\`; what is allowed where is in [compatibility.md](compatibility.md) and [coming-from-kong.md](coming-from-kong.md).

* **Bodies** are JSON, \`application/x-www-form-urlencoded\` or \`multipart/form-data\`. Forms nest with dots (\`config.limit=5\`),
  lists are \`hosts[]=a&hosts[]=b\`, \`hosts[1]=a\` or the name repeated, \`headers[x-a]=b\` is an entry of a map, and the schema
  decides the types; an empty value is \`null\`. Others are refused with 415.
* **Names**: \`{services}\` and its like take an id or the entity's name (username, prefix, key, SNI, \`host:port\`).
* **PUT** makes or replaces, **PATCH** changes the fields that are sent, **DELETE** answers 204 also when nothing was there.
* **Pages**: \`?size=\` 1 to 1000 (100), \`?offset=\` from the answer before, \`?tags=a,b\` (all of them) or \`?tags=a/b\` (any).
  The answer is \`{ "data": […], "next": "/services?offset=…" | null, "offset": "…" }\`.
* **HEAD** works wherever GET does; **OPTIONS** tells the methods of a path.
* Without a database everything can be read, and only \`POST /config\` writes.
`

export function adminPage(): string {
  // Endpoints are only named here; none is asked anything.
  const options = { catalog, repository: {}, random: systemRandom, cluster: null, upstreamHealth: {} }
  const { paths } = openApiDocument(adminEndpoints(options as unknown as AdminOptions), catalog)
  const byTag = new Map<string, string[]>()
  for (const path of Object.keys(paths).sort()) {
    const operations = METHODS.flatMap(method => {
      const operation = paths[path]![method] as Operation | undefined
      return operation === undefined ? [] : [{ method: method.toUpperCase(), ...operation }]
    })
    const tag = operations[0]?.tags[0] ?? 'other'
    const methods = operations.map(({ method }) => method).join(' ')
    const summaries = operations.map(({ method, summary }) =>
      operations.length === 1 ? summary : `${method}: ${summary}`,
    )
    const told = definitionOf(tag) === null ? ` ${cell(summaries.join('; '))} |` : ''
    byTag.set(tag, [...(byTag.get(tag) ?? []), `| \`${path}\` | ${methods} |${told}`])
  }
  const sections = [...byTag.keys()].sort(entitiesFirst).flatMap(tag => section(tag, byTag.get(tag)!))
  return `${[INTRODUCTION, ...errorSection(), ...sections].join('\n')}\n`
}

const definitionOf = (tag: string): EntityDefinition | null => catalog.find(tag) ?? null

function entitiesFirst(a: string, b: string): number {
  const order = (tag: string) => (definitionOf(tag) === null ? 1 : 0)
  return order(a) - order(b) || (a < b ? -1 : 1)
}

function section(tag: string, rows: readonly string[]): string[] {
  const definition = definitionOf(tag)
  const columns = definition === null ? ['| path | methods | |', '|---|---|---|'] : ['| path | methods |', '|---|---|']
  const lines = [`## ${tag}`, '', ...columns, ...rows, '']
  if (definition === null) return lines
  const { endpoint_key, cache_key = [], fields } = definition
  const facts = [
    ...(endpoint_key === undefined ? [] : [`Found by \`id\` or \`${endpoint_key}\`.`]),
    ...(cache_key.length > 1 ? [`One of each ${cache_key.map(name => `\`${name}\``).join(', ')}.`] : []),
  ]
  const head = ['| field | type | default | |', '|---|---|---|---|']
  return [...lines, ...(facts.length === 0 ? [] : [facts.join(' '), '']), ...head, ...fieldRows('', fields), '']
}

function errorSection(): string[] {
  const rows = Object.values(STORE_ERRORS)
    .filter(({ status }) => status < 500)
    .map(({ code, name, status }) => `| ${code} | ${name} | ${status} |`)
  return [
    '## Errors',
    '',
    '`{ "code": 2, "name": "schema violation", "message": "…", "fields": { … } }`, or `{ "message": "…" }` where there is no',
    'entity to speak of.',
    '',
    '| code | name | status |',
    '|---|---|---|',
    ...rows,
    '',
  ]
}
