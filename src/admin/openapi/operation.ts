/** The parts of OpenAPI 3.1 that our document uses. */
import type { JsonSchema } from '../../schema/json-schema.ts'

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly required: boolean
  readonly description: string
  readonly schema: JsonSchema
}

export interface Content {
  readonly description: string
  readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>>
}

export interface Operation {
  readonly summary: string
  readonly tags: readonly string[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required?: boolean; readonly content: NonNullable<Content['content']> }
  readonly responses: Readonly<Record<number, Content>>
}

export const noContent: Content = { description: 'Done.' }
export const answer = (schema: JsonSchema, description = 'As asked.'): Content => ({
  description,
  content: { 'application/json': { schema } },
})
export const textAnswer = (type: string): Content => ({
  description: 'As asked.',
  content: { [type]: { schema: { type: 'string' } } },
})
export const refusal = (error: JsonSchema, description: string): Content => answer(error, description)

/** Every body may come as a form too: its names are those of the schema, with dots and brackets for what is nested. */
export const jsonBody = (schema: JsonSchema): NonNullable<Operation['requestBody']> => ({
  required: true,
  content: {
    'application/json': { schema },
    'application/x-www-form-urlencoded': { schema: { type: 'object', additionalProperties: true } },
  },
})

export const queryParameter = (name: string, schema: JsonSchema, description: string): Parameter => ({
  name,
  in: 'query',
  required: false,
  description,
  schema,
})
