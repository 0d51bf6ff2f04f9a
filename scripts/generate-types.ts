/** TypeScript types of entities and plugins' configs, made from the same schemas as everything else. */
import type { EntityDefinition } from '../src/schema/entity.ts'
import { bundledPlugins } from '../src/plugins/bundled.ts'
import { fileSchema } from '../src/declarative/file-schema.ts'
import { entitySchema, kindsOf } from '../src/entities/json-schemas.ts'
import type { JsonSchema, JsonSchemaOptions } from '../src/schema/json-schema.ts'
import { bundledCatalog as catalog } from './bundled-catalog.ts'

type Properties = Readonly<Record<string, JsonSchema>>

export function entityTypes(): string {
  const file = fileSchema(catalog)
  const $defs = file['$defs'] as Properties
  const served = catalog.definitions.filter(({ name, generate_admin_api }) => {
    return generate_admin_api !== false && name !== 'tags' && name !== 'filter_chains'
  })
  const declared = catalog.definitions.filter(({ name }) => $defs[name] !== undefined)
  const parts = [
    '/** Entities and plugins as types. Generated from the schemas by scripts/generate-docs.ts; not to be edited. */',
    ...pluginConfigs($defs),
    ...served.flatMap(definition => [rowType(definition), inputType(definition)]),
    ...declared.map(({ name }) => entryType(name, $defs[name]!, $defs)),
    fileType(file, declared),
    entityMap(served),
  ]
  return `${parts.join('\n\n')}\n`
}

/** `keyauth_credentials` is a `KeyauthCredential`. */
function typeName(entity: string): string {
  return pascal(entity.replace(/s$/, ''))
}
function pascal(name: string): string {
  return name.replaceAll(/(?:^|[^a-zA-Z0-9]+)([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

function* pluginConfigs($defs: Properties): Generator<string> {
  const names = kindsOf(catalog, 'plugins')
  for (const name of names) {
    const summary = bundledPlugins.find(plugin => plugin.name === name)!.docs.summary
    const config = $defs[`plugins.${name}.config`]!
    yield `${comment(`\`config\` of ${name}: ${summary}`, '')}export interface ${pascal(name)}Config ${body(config, '')}`
  }
  const members = names.map(name => `  readonly '${name}': ${pascal(name)}Config`)
  yield `/** By the name of the plugin. */\nexport interface PluginConfigs {\n${members.join('\n')}\n}`
  yield 'export type PluginName = keyof PluginConfigs'
  yield `/** A config as it is stored: with everything in it. */\nexport type Complete<Value> = Value extends readonly unknown[] | null | undefined\n  ? Value\n  : Value extends object\n    ? { [Name in keyof Value]-?: Complete<Exclude<Value[Name], undefined>> }\n    : Value`
}

const options = (use: JsonSchemaOptions['use']): JsonSchemaOptions => ({
  use,
  foreign: field => {
    const id = { type: 'string' }
    if (use === 'answer') return { type: 'object', properties: { id }, required: ['id'] }
    const key = catalog.find(field.reference ?? '')?.endpoint_key
    if (key === undefined) return { type: 'object', properties: { id }, required: ['id'] }
    const one = (name: string) => ({ type: 'object', properties: { [name]: { type: 'string' } }, required: [name] })
    return { anyOf: [one('id'), one(key)] }
  },
})

/** Members that only other router flavours have. */
const OPTIONAL: Readonly<Record<string, readonly string[]>> = { routes: ['expression', 'priority'] }

function rowType(definition: EntityDefinition): string {
  const { name } = definition
  const schema = entitySchema(catalog, definition, options('answer'))
  const optional = OPTIONAL[name] ?? []
  const required = (schema['required'] as string[]).filter(field => !optional.includes(field))
  const head = comment(`One of ${name}, as the Admin API answers it.`, '')
  if (name === 'plugins') {
    const own = body(without(schema, ['name', 'config'], required), '')
    return `${head}export type Plugin<Name extends PluginName = PluginName> = {\n  [N in Name]: PluginRowFields & { readonly name: N; readonly config: Complete<PluginConfigs[N]> }\n}[Name]\n\nexport interface PluginRowFields ${own}`
  }
  return `${head}export interface ${typeName(name)} ${body({ ...schema, required }, '')}`
}

function inputType(definition: EntityDefinition): string {
  const { name } = definition
  const schema = entitySchema(catalog, definition, options('input'))
  const head = comment(`One of ${name}, as the Admin API takes it.`, '')
  if (name !== 'plugins') return `${head}export type ${typeName(name)}Input = ${body(schema, '')}`
  const own = body(without(schema, ['name', 'config'], []), '')
  return `${head}export type PluginInput = PluginInputFields & PluginChoice\n\nexport interface PluginInputFields ${own}`
}

function without(schema: JsonSchema, names: readonly string[], required: readonly string[]): JsonSchema {
  const kept = Object.entries(schema['properties'] as Properties).filter(([name]) => !names.includes(name))
  return {
    type: 'object',
    properties: Object.fromEntries(kept),
    required: required.filter(one => !names.includes(one)),
  }
}

function entryType(name: string, schema: JsonSchema, $defs: Properties): string {
  const head = comment(`One of ${name}, as a declarative configuration has it.`, '')
  if (name !== 'plugins') return `${head}export type ${typeName(name)}Entry = ${body(asRecord(schema), '')}`
  const own = body(without(schema, ['name', 'config'], []), '')
  return [
    pluginChoice(schema, $defs),
    `${head}export type PluginEntry = PluginEntryFields & PluginChoice\n\nexport interface PluginEntryFields ${own}`,
  ].join('\n\n')
}

/** Name and config belong together; a scope that a plugin cannot have is null. */
function pluginChoice(schema: JsonSchema, $defs: Properties): string {
  const conditions = (schema['allOf'] as JsonSchema[]).slice(1) as unknown as {
    if: { properties: { name: { const: string } } }
    then: { properties: Properties; required?: readonly string[] }
  }[]
  const members = conditions.map(({ if: { properties }, then: { properties: own, required = [] } }) => {
    const name = properties.name.const
    const config = `${pascal(name)}Config${isNullable($defs[`plugins.${name}.config`]!) ? ' | null' : ''}`
    const nulls = Object.keys(own).filter(field => own[field]!['type'] === 'null')
    const scopes = nulls.map(field => `; ${field}?: null`).join('')
    return `  | { name: '${name}'; config${required.includes('config') ? '' : '?'}: ${config}${scopes} }`
  })
  return `/** The name of a plugin with its config. */\nexport type PluginChoice =\n${members.join('\n')}`
}

const isNullable = ({ type }: JsonSchema) => Array.isArray(type) && type.includes('null')

/** Conditions on the kind are no part of the type. */
const asRecord = ({ allOf: _conditions, ...schema }: JsonSchema): JsonSchema => schema

/** Where the Admin API has each entity: the client needs it at run time, without all of the schemas. */
export function entityPaths(): string {
  const members = catalog.definitions
    .filter(
      ({ name, generate_admin_api }) => generate_admin_api !== false && name !== 'tags' && name !== 'filter_chains',
    )
    .map(({ name, admin_path = name, admin_nested_path = admin_path }) => {
      return `  ${name}: { path: '${admin_path}', nested: '${admin_nested_path}' },`
    })
  const head =
    '/** Paths of entities in the Admin API. Generated from the schemas by scripts/generate-docs.ts; not to be edited. */'
  return `${head}\nexport const entityPaths = {\n${members.join('\n')}\n} as const\n`
}

function fileType(file: JsonSchema, served: readonly EntityDefinition[]): string {
  const lists = served.map(({ name }) => `  ${name}?: readonly ${typeName(name)}Entry[] | null`)
  const { _transform, _comment, _ignore } = file['properties'] as Properties
  const own = { _transform: _transform!, _comment: _comment!, _ignore: _ignore! }
  const members = Object.entries(own).map(([name, schema]) => member(name, schema, false, '  '))
  const version = "  /** Of the format; the newest when left out. */\n  _format_version?: '3.0' | '2.1' | '1.1'"
  return `/** A whole declarative configuration. */\nexport interface Configuration {\n${[version, ...members, ...lists].join('\n')}\n}`
}

function entityMap(served: readonly EntityDefinition[]): string {
  const members = served.map(({ name, admin_path, endpoint_key }) => {
    const types = `row: ${typeName(name)}; readonly input: ${typeName(name)}Input`
    return `  /** \`/${admin_path ?? name}\`, by id${endpoint_key === undefined ? '' : ` or ${endpoint_key}`}. */\n  readonly ${name}: { readonly ${types} }`
  })
  return `/** What the Admin API answers and takes, by entity. */\nexport interface EntityTypes {\n${members.join('\n')}\n}`
}

/** An object type, with what a value needs besides. */
function body(schema: JsonSchema, indent: string): string {
  const required = new Set((schema['required'] ?? []) as readonly string[])
  const inner = `${indent}  `
  const members = Object.entries((schema['properties'] ?? {}) as Properties).map(([name, value]) =>
    member(name, value, required.has(name), inner),
  )
  const object = members.length === 0 ? 'object' : `{\n${members.join('\n')}\n${indent}}`
  const anyOf = schema['anyOf'] as readonly { readonly required: readonly string[] }[] | undefined
  if (anyOf === undefined || schema['properties'] === undefined) return object
  const properties = schema['properties'] as Properties
  const choices = anyOf.map(({ required: names }) => {
    return `{ ${names.map(name => `${name}: ${type({ ...properties[name]! }, inner).replace(' | null', '')}`).join('; ')} }`
  })
  return `${object} & (${choices.join(' | ')})`
}

function member(name: string, schema: JsonSchema, isRequired: boolean, indent: string): string {
  const { description, default: value, deprecated } = schema
  const isShort = value !== undefined && JSON.stringify(value).length <= 80
  const notes = [
    typeof description === 'string' ? description : '',
    isShort ? `Default: \`${JSON.stringify(value)}\`.` : '',
    deprecated === true ? '@deprecated' : '',
  ].filter(Boolean)
  const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : `'${name}'`
  return `${comment(notes.join(' '), indent)}${indent}${key}${isRequired ? '' : '?'}: ${type(schema, indent)}`
}

function comment(text: string, indent: string): string {
  return text === '' ? '' : `${indent}/** ${text.replaceAll('*/', '*\\/')} */\n`
}

function type(schema: JsonSchema, indent: string): string {
  const { $ref, anyOf, enum: values, type: kind } = schema
  if (typeof $ref === 'string') return `${typeName($ref.slice($ref.lastIndexOf('/') + 1))}Entry`
  if (Array.isArray(anyOf) && schema['properties'] === undefined) return union(anyOf.map(one => type(one, indent)))
  if (Array.isArray(values)) return union(values.map(literal))
  if (schema['const'] !== undefined) return literal(schema['const'])
  const kinds = Array.isArray(kind) ? (kind as string[]) : [kind as string | undefined]
  return union(kinds.map(one => simpleType(one, schema, indent)))
}

const literal = (value: unknown) => (typeof value === 'string' ? `'${value.replaceAll("'", "\\'")}'` : String(value))
const union = (parts: readonly string[]) => [...new Set(parts)].join(' | ')

function simpleType(kind: string | undefined, schema: JsonSchema, indent: string): string {
  switch (kind) {
    case 'string':
    case 'boolean':
    case 'null':
      return kind
    case 'integer':
    case 'number':
      return 'number'
    case 'array': {
      const items = schema['items'] === undefined ? 'unknown' : type(schema['items'] as JsonSchema, indent)
      return /[|&{]/.test(items) ? `readonly (${items})[]` : `readonly ${items}[]`
    }
    case 'object':
      if (schema['properties'] !== undefined) return body(schema, indent)
      return `Readonly<Record<string, ${values(schema, indent)}>>`
    default:
      return 'unknown'
  }
}

function values({ additionalProperties }: JsonSchema, indent: string): string {
  return typeof additionalProperties === 'object' ? type(additionalProperties as JsonSchema, indent) : 'unknown'
}
