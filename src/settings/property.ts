/** The schema language of kong.conf: what each property accepts, what it means, and the type it has once parsed. */
import type { ListenAddress } from '../base/listen-address.ts'

declare const parsed: unique symbol

export type PropertyType =
  | 'string'
  | 'number'
  | 'boolean'
  | 'array'
  | 'listen'
  | 'endpoints'
  | 'port_maps'
  | 'size'
  | 'duration'
  | 'count'
  | 'certificate'
  | 'key'
  | 'certificates'
  | 'revocation_lists'
  | 'keys'

export interface Attributes {
  /** Values that are accepted, in the spelling of the file. */
  readonly one_of?: readonly string[]
  /** Other spellings and the accepted value that each stands for; shown as accepted, too. */
  readonly synonyms?: Readonly<Record<string, string>>
  readonly between?: readonly [min: number, max: number]
  readonly integer?: true
  /** Shown as `******` wherever settings are printed. */
  readonly sensitive?: true
  /** Used once, at the start: never written to the prefix. */
  readonly transient?: true
  /** A path, or several, relative to the folder in which the command was given. */
  readonly path?: true
  /** A listener that may also be a unix socket, `unix:/path`. */
  readonly sockets?: boolean
  /** Which listen flags are accepted. */
  readonly subsystem?: 'http' | 'stream'
  /** Another name for a property; what is given here counts as given there. */
  readonly alias_of?: string
  /** With `alias_of`: warn, because Kong has renamed it. */
  readonly deprecated?: true
  /** Accepted so that a Kong file loads unchanged, but nothing here reads it; says why. */
  readonly without_effect?: string
}

export interface Property<Value = unknown> extends Attributes {
  readonly type: PropertyType
  /** In the file's own syntax; null when there is none. */
  readonly default: string | null
  readonly description: string
  /** Carries the TypeScript type of the parsed value; never present at run time. */
  readonly [parsed]?: Value
}
export type Properties = Readonly<Record<string, Property>>
export type ParsedOf<P> = P extends Property<infer Value> ? Value : never

export interface Section<P extends Properties = Properties> {
  readonly title: string
  readonly introduction: string
  readonly properties: P
}

export interface Endpoint {
  /** A name, an IPv4, or an IPv6 address without brackets. */
  readonly host: string
  readonly port: number
}

/** Port that clients see in front of us, and the one we listen on. */
export interface PortMap {
  readonly external: number
  readonly internal: number
}

type Defaulted<Value, D> = D extends string ? Value : Value | null

export function section<const P extends Properties>(title: string, introduction: string, properties: P): Section<P> {
  return { title, introduction, properties }
}

function property<Value, D extends string | null>(
  type: PropertyType,
  initial: D,
  description: string,
  attributes: Attributes,
): Property<Defaulted<Value, D>> {
  return { type, default: initial, description, ...attributes }
}

export function string<const D extends string | null>(initial: D, description: string, attributes: Attributes = {}) {
  return property<string, D>('string', initial, description, attributes)
}

export function choice<const O extends string, const D extends NoInfer<O> | null>(
  one_of: readonly O[],
  initial: D,
  description: string,
  attributes: Attributes = {},
) {
  return property<O, D>('string', initial, description, { one_of, ...attributes })
}

export function number<const D extends string | null>(initial: D, description: string, attributes: Attributes = {}) {
  return property<number, D>('number', initial, description, attributes)
}

export function boolean<const D extends 'on' | 'off' | null>(
  initial: D,
  description: string,
  attributes: Attributes = {},
) {
  return property<boolean, D>('boolean', initial, description, {
    one_of: ['on', 'off', 'true', 'false'],
    ...attributes,
  })
}

/** Comma-separated; never null, at worst empty. */
export function array(initial: string | null, description: string, attributes: Attributes = {}) {
  return property<readonly string[], string>('array', initial as string, description, attributes)
}

export function listen(initial: string, description: string, attributes: Attributes = {}) {
  return property<readonly ListenAddress[], string>('listen', initial, description, {
    subsystem: 'http',
    ...attributes,
  })
}

export function endpoints(initial: string, description: string, attributes: Attributes = {}) {
  return property<readonly Endpoint[], string>('endpoints', initial, description, attributes)
}

export function portMaps(description: string, attributes: Attributes = {}) {
  return property<readonly PortMap[], string>('port_maps', null as unknown as string, description, attributes)
}

/** Bytes, written with nginx's suffixes k, m and g. */
export function size<const D extends string | null>(initial: D, description: string, attributes: Attributes = {}) {
  return property<number, D>('size', initial, description, attributes)
}

/** Seconds, written with nginx's suffixes s, m, h, d and w. */
export function duration<const D extends string | null>(initial: D, description: string, attributes: Attributes = {}) {
  return property<number, D>('duration', initial, description, attributes)
}

/** A number of processes or the like, or `auto`. */
export function count(initial: string, description: string, attributes: Attributes = {}) {
  return property<number | 'auto', string>('count', initial, description, attributes)
}

/** Path, PEM text, or base64 of PEM text; parsed into PEM text. */
export function certificate(description: string, attributes: Attributes = {}) {
  return property<string, null>('certificate', null, description, attributes)
}

export function privateKey(description: string, attributes: Attributes = {}) {
  return property<string, null>('key', null, description, { sensitive: true, ...attributes })
}

export function certificates(description: string, attributes: Attributes = {}) {
  return property<readonly string[], string>('certificates', null as unknown as string, description, attributes)
}

/** Each a path, PEM text, or base64 of PEM text with one list or more; parsed into one PEM text per list. */
export function revocationLists(description: string, attributes: Attributes = {}) {
  return property<readonly string[], string>('revocation_lists', null as unknown as string, description, attributes)
}

export function privateKeys(description: string, attributes: Attributes = {}) {
  return property<readonly string[], string>('keys', null as unknown as string, description, {
    sensitive: true,
    ...attributes,
  })
}
