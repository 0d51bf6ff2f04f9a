/** Whether the fields of an expression exist where it is used, and whether their types fit what is asked of them. */
import { parseExpression } from './parse.ts'
import { type Expression, type FieldType, meaningError, type Predicate } from './syntax.ts'

/** What routes can be asked about: requests, or connections of the stream proxy. */
export type Subsystem = 'http' | 'stream'

const STREAM_FIELDS: Readonly<Record<string, FieldType>> = {
  'net.protocol': 'String',
  'tls.sni': 'String',
  'net.src.port': 'Int',
  'net.dst.port': 'Int',
  'net.src.ip': 'IpAddr',
  'net.dst.ip': 'IpAddr',
}

/** A name that ends with `*` stands for all names with one more part. */
const FIELDS: Readonly<Record<Subsystem, Readonly<Record<string, FieldType>>>> = {
  stream: STREAM_FIELDS,
  http: {
    ...STREAM_FIELDS,
    'http.method': 'String',
    'http.host': 'String',
    'http.path': 'String',
    'http.path.segments.len': 'Int',
    'http.path.segments.*': 'String',
    'http.headers.*': 'String',
    'http.queries.*': 'String',
  },
}

export function typeOfField(field: string, subsystem: Subsystem): FieldType | null {
  const fields = FIELDS[subsystem]
  const exact = Object.hasOwn(fields, field) && !field.endsWith('*') ? fields[field] : undefined
  return exact ?? fields[`${field.slice(0, field.lastIndexOf('.'))}.*`] ?? null
}

/** With today's name for `net.port`, replaced as Kong does it: where an operator of these characters follows. */
export function amendedSource(source: string): string {
  return source.replace(/(net\.port)(\s*)([=><!])/g, 'net.dst.port$2$3')
}

/** Reads and checks; throws ExpressionError. */
export function checkedExpression(source: string, subsystem: Subsystem): Expression {
  const amended = amendedSource(source)
  const expression = parseExpression(amended)
  check(expression, amended, subsystem)
  return expression
}

function check(expression: Expression, source: string, subsystem: Subsystem): void {
  if (expression.kind === 'not') check(expression.part, source, subsystem)
  else if (expression.kind !== 'predicate') for (const part of expression.parts) check(part, source, subsystem)
  else {
    const reason = predicateError(expression, subsystem)
    if (reason !== null) throw meaningError(source, expression.at, reason, expression.field)
  }
}

function predicateError({ field, lower, operator, value }: Predicate, subsystem: Subsystem): string | null {
  const type = typeOfField(field, subsystem)
  if (type === null) return 'Unknown LHS field'
  const comparesAlike = operator !== '~' && operator !== 'in' && operator !== 'not in'
  if (comparesAlike && type !== value.type) return 'Type mismatch between the LHS and RHS values of predicate'
  if (lower && type !== 'String') return 'lower-case transformation function only supported with String type fields'
  switch (operator) {
    case '~':
      return type === 'String' ? segmentsError(field) : 'Regex operators only supports string operands'
    case '^=':
    case '=^':
      if (type !== 'String') return 'Prefix/Postfix operators only supports string operands'
      break
    case '>':
    case '>=':
    case '<':
    case '<=':
      if (type !== 'Int') return 'Greater/GreaterOrEqual/Less/LessOrEqual operators only supports integer operands'
      break
    case 'in':
    case 'not in':
      if (type !== 'IpAddr' || value.type !== 'IpCidr') return 'In/NotIn operators only supports IP in CIDR'
      break
    case 'contains':
      if (type !== 'String') return 'Contains operator only supports string operands'
  }
  return segmentsError(field)
}

/** Segments are named by one number, or by two of which the first is smaller: `http.path.segments.0_2`. */
function segmentsError(field: string): string | null {
  const prefix = 'http.path.segments.'
  if (!field.startsWith(prefix) || field === `${prefix}len`) return null
  const range = segmentRange(field.slice(prefix.length))
  const isValid = range !== null && (range.last === range.first || range.isRange)
  return isValid ? null : 'illformed http.path.segments.* field'
}

export interface SegmentRange {
  readonly first: number
  readonly last: number
  readonly isRange: boolean
}

/** From 0; null when the name is none. */
export function segmentRange(name: string): SegmentRange | null {
  const match = /^(0|[1-9]\d*)(?:_([1-9]\d*))?$/.exec(name)
  if (match === null) return null
  const first = Number(match[1])
  if (match[2] === undefined) return { first, last: first, isRange: false }
  const last = Number(match[2])
  return first < last ? { first, last, isRange: true } : null
}
