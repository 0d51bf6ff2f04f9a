/** One field of an HTTP/2 header block, checked once: fields in compression tables are used again and again. */
import { CHARACTER_CLASSES, FIELD_VALUE, ODD_IN_TARGET, TARGET, TOKEN } from '../http/character-classes.ts'
import { headerIdOf, OTHER } from '../http/header-ids.ts'

/** What a field is to a message. */
export const REGULAR = 0
export const METHOD = 1
export const SCHEME = 2
export const AUTHORITY = 3
export const PATH = 4
export const STATUS = 5
export const COOKIE = 6
export const HOST_FIELD = 7
/** Must not be in any HTTP/2 message: malformed, or about connections (RFC 9113 section 8.2). */
export const FORBIDDEN = 8

const KINDS: ReadonlyMap<string, number> = new Map([
  [':method', METHOD],
  [':scheme', SCHEME],
  [':authority', AUTHORITY],
  [':path', PATH],
  [':status', STATUS],
  ['cookie', COOKIE],
  ['host', HOST_FIELD],
  ['connection', FORBIDDEN],
  ['proxy-connection', FORBIDDEN],
  ['keep-alive', FORBIDDEN],
  ['transfer-encoding', FORBIDDEN],
  ['upgrade', FORBIDDEN],
])

const COLON = 58
const SPACE = 32
const TAB = 9
/** What a field costs in a compression table beyond its text (RFC 7541 section 4.1). */
const FIELD_OVERHEAD_BYTES = 32

export class HeaderField {
  readonly name: string
  readonly value: string
  /** As in an HTTP/1.1 message. */
  readonly line: string
  /** See header-ids.ts. */
  readonly id: number
  readonly kind: number
  /** Of a path: whether it may be one, and needs nothing decoded, escaped or resolved. */
  readonly isLegalPath: boolean
  readonly isPlainPath: boolean

  constructor(name: string, value: string) {
    this.name = name
    this.value = value
    this.line = `${name}: ${value}\r\n`
    const kind = KINDS.get(name) ?? REGULAR
    this.id = kind === REGULAR ? headerIdOf(name) : kind === HOST_FIELD ? headerIdOf('host') : OTHER
    this.isLegalPath = kind === PATH && value.startsWith('/') && isAll(value, TARGET)
    this.isPlainPath = this.isLegalPath && !hasAny(value, ODD_IN_TARGET)
    const isTeUnfit = name === 'te' && value.toLowerCase() !== 'trailers'
    this.kind = isTeUnfit || !isValidName(name, kind) || !isValidValue(value) ? FORBIDDEN : kind
  }

  /** Octets in a compression table. */
  get size(): number {
    return this.name.length + this.value.length + FIELD_OVERHEAD_BYTES
  }
}

function hasAny(text: string, flag: number): boolean {
  for (let i = 0; i < text.length; i++) if ((CHARACTER_CLASSES[text.charCodeAt(i)]! & flag) !== 0) return true
  return false
}

/** False for an empty text. */
export function isAll(text: string, flag: number): boolean {
  for (let i = 0; i < text.length; i++) if ((CHARACTER_CLASSES[text.charCodeAt(i)]! & flag) === 0) return false
  return text.length > 0
}

/** Lower case only; a colon in front for the five that have one. */
function isValidName(name: string, kind: number): boolean {
  if (name.length === 0) return false
  if (name.charCodeAt(0) === COLON) return kind !== REGULAR
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if ((CHARACTER_CLASSES[code]! & TOKEN) === 0 || (code >= 65 && code <= 90)) return false
  }
  return true
}

function isValidValue(value: string): boolean {
  if (value.length === 0) return true
  for (let i = 0; i < value.length; i++) if ((CHARACTER_CLASSES[value.charCodeAt(i)]! & FIELD_VALUE) === 0) return false
  return !isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(value.length - 1))
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}
