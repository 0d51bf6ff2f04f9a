/** Fields as JSON Schema (draft 2020-12): what OpenAPI documents, editors and the generated types are made of. */
import { isRequired } from './defaults.ts'
import type { ShorthandField } from './entity.ts'
import type { Field, Fields } from './field.ts'

export type JsonSchema = { readonly [keyword: string]: unknown }

export interface JsonSchemaOptions {
  /**
   * `answer`: a stored row, whole. `input`: what makes a new one; what has a default may be left out. `change`: any part
   * of it, as PATCH takes it.
   */
  readonly use: 'answer' | 'input' | 'change'
  /** How a reference to another entity is written. */
  foreign(field: Field): JsonSchema
}

/** Fields of one record. `shorthands` are accepted beside them, and shown where they are old names. */
export function recordSchema(
  fields: Fields,
  shorthands: readonly ShorthandField[] | undefined,
  options: JsonSchemaOptions,
): JsonSchema {
  const properties: Record<string, JsonSchema> = {}
  const required: string[] = []
  for (const [name, field] of Object.entries(fields)) {
    properties[name] = fieldSchema(field, options)
    if (isMandatory(field, options)) required.push(name)
  }
  const alternatives: string[] = []
  for (const shorthand of shorthands ?? []) {
    const isOld = shorthand.replacedBy !== undefined || shorthand.field['deprecation'] !== undefined
    if (options.use === 'answer' && shorthand.replacedBy === undefined) continue
    const old = isOld ? { deprecated: true } : {}
    properties[shorthand.name] ??= { ...fieldSchema(shorthand.field as Field, options), ...old }
    if (!isOld && fields[shorthand.name] === undefined) alternatives.push(shorthand.name)
  }
  return { type: 'object', properties, ...requirement(required, alternatives, options), additionalProperties: false }
}

/** A shorthand may stand for the fields that would be required. */
function requirement(required: readonly string[], alternatives: readonly string[], { use }: JsonSchemaOptions) {
  if (required.length === 0) return {}
  if (use !== 'input' || alternatives.length === 0) return { required }
  return { anyOf: [{ required }, ...alternatives.map(name => ({ required: [name] }))] }
}

/** Whether a value must be given, or is always there. */
function isMandatory(field: Field, { use }: JsonSchemaOptions): boolean {
  if (use === 'answer') return field.transient !== true
  return use === 'input' && needsValue(field)
}

function needsValue(field: Field): boolean {
  if (field.auto === true || (field.default ?? null) !== null || !isRequired(field)) return false
  return field.type !== 'record' || Object.values(field.fields ?? {}).some(needsValue)
}

export function fieldSchema(field: Field, options: JsonSchemaOptions): JsonSchema {
  const body = { ...shapeOf(field, options), ...annotations(field, options) }
  return isNullable(field, options) ? orNull(body) : body
}

/** Null stands for "as if not given" on the way in, and for "not set" on the way out. */
function isNullable(field: Field, { use }: JsonSchemaOptions): boolean {
  if (field.type === 'json' || field.type === 'any' || field.eq === null) return false
  if (use === 'answer') return !isRequired(field) && field.auto !== true
  return use === 'change' ? !isRequired(field) || (field.default ?? null) !== null : !needsValue(field)
}

function orNull(schema: JsonSchema): JsonSchema {
  const { type, enum: values, anyOf } = schema
  if (Array.isArray(anyOf) && type === undefined) return { ...schema, anyOf: [...anyOf, { type: 'null' }] }
  if (typeof type !== 'string') return { anyOf: [schema, { type: 'null' }] }
  return { ...schema, type: [type, 'null'], ...(Array.isArray(values) && { enum: [...values, null] }) }
}

function annotations(field: Field, { use }: JsonSchemaOptions): JsonSchema {
  const { description, default: value, deprecation, auto, encrypted } = field
  return {
    ...(description !== undefined && { description: oneLine(description) }),
    ...(use === 'input' && (value ?? null) !== null && { default: value }),
    ...(deprecation !== undefined && { deprecated: true }),
    ...(auto === true && use === 'answer' && { readOnly: true }),
    ...(encrypted === true && { 'x-secret': true }),
  }
}

const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ').trim()

function shapeOf(field: Field, options: JsonSchemaOptions): JsonSchema {
  if (field.eq === null) return { type: 'null' }
  switch (field.type) {
    case 'string':
      return stringShape(field)
    case 'integer':
    case 'number':
      return numberShape(field)
    case 'boolean':
      return { type: 'boolean' }
    case 'array':
    case 'set':
      return { type: 'array', items: elementSchema(field.elements!, options), ...sizes(field, 'Items') }
    case 'map':
      return {
        type: 'object',
        additionalProperties: elementSchema(field.values!, options),
        ...(field.keys !== undefined && { propertyNames: elementSchema(field.keys, options) }),
        ...sizes(field, 'Properties'),
      }
    case 'record':
      if (field.abstract === true) return { type: 'object' }
      return recordSchema(field.fields ?? {}, field.shorthand_fields as readonly ShorthandField[] | undefined, options)
    case 'foreign':
      return options.foreign(field)
    default:
      return {}
  }
}

/** Elements, keys and values are never null. */
function elementSchema(field: Field, options: JsonSchemaOptions): JsonSchema {
  return { ...shapeOf(field, options), ...annotations(field, options) }
}

/** Lengths count bytes here and characters there: only a lower bound says the same. */
function stringShape(field: Field): JsonSchema {
  const { one_of, not_one_of, eq, uuid, starts_with, referenceable, len_min = 1 } = field
  const plain: JsonSchema = {
    type: 'string',
    ...(one_of !== undefined && one_of.length > 0 && { enum: one_of }),
    ...(not_one_of !== undefined && { not: { enum: not_one_of } }),
    ...(eq !== undefined && { const: eq }),
    ...(uuid === true && { format: 'uuid' }),
    ...(starts_with !== undefined && { pattern: `^${starts_with.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}` }),
    ...(one_of === undefined && len_min > 0 && { minLength: 1 }),
  }
  const isOpen = Object.keys(plain).every(name => name === 'type' || name === 'minLength')
  if (referenceable !== true || isOpen) return plain
  return { anyOf: [plain, { type: 'string', pattern: '^\\{vault://' }] }
}

function numberShape({ type, one_of, not_one_of, eq, between, gt }: Field): JsonSchema {
  return {
    type,
    ...(one_of !== undefined && one_of.length > 0 && { enum: one_of }),
    ...(not_one_of !== undefined && { not: { enum: not_one_of } }),
    ...(eq !== undefined && { const: eq }),
    ...(between !== undefined && { minimum: between[0], maximum: between[1] }),
    ...(gt !== undefined && { exclusiveMinimum: gt }),
  }
}

function sizes({ len_eq, len_min, len_max }: Field, what: 'Items' | 'Properties'): JsonSchema {
  const [min, max] = [len_eq ?? len_min, len_eq ?? len_max]
  return { ...(min !== undefined && { [`min${what}`]: min }), ...(max !== undefined && { [`max${what}`]: max }) }
}
