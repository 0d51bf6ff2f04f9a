/** Header fields as an ordered list that can be edited; made only when a plugin edits or reads many of them. */
import type { HeaderValue } from '../../sdk/sdk.ts'
import { CHARACTER_CLASSES, FIELD_VALUE, TOKEN } from './character-classes.ts'

export class HeaderList {
  readonly #names: string[] = []
  readonly #lowerNames: string[] = []
  readonly #values: string[] = []

  get length(): number {
    return this.#names.length
  }

  get(name: string): string | undefined {
    const index = this.#lowerNames.indexOf(name.toLowerCase())
    return index === -1 ? undefined : this.#values[index]
  }

  getAll(name: string): string[] {
    const lower = name.toLowerCase()
    return this.#values.filter((_, index) => this.#lowerNames[index] === lower)
  }

  /** Throws for names and values that would break the message; what plugins pass on may come from clients. */
  add(name: string, value: string): void {
    assertField(name, value)
    this.append(name, value)
  }

  /** Adds a field that is known to be well formed. */
  append(name: string, value: string): void {
    this.#names.push(name)
    this.#lowerNames.push(name.toLowerCase())
    this.#values.push(value)
  }

  set(name: string, value: HeaderValue): void {
    const values = typeof value === 'string' ? [value] : value
    for (const one of values) assertField(name, one)
    const lower = name.toLowerCase()
    const index = this.#lowerNames.indexOf(lower)
    if (index !== -1 && values.length === 1) {
      this.#removeAfter(lower, index + 1)
      this.#names[index] = name
      this.#values[index] = values[0]!
      return
    }
    this.remove(name)
    for (const one of values) this.append(name, one)
  }

  remove(name: string): void {
    this.#removeAfter(name.toLowerCase(), 0)
  }

  #removeAfter(lower: string, from: number): void {
    for (let index = this.#lowerNames.length - 1; index >= from; index--) {
      if (this.#lowerNames[index] !== lower) continue
      this.#names.splice(index, 1)
      this.#lowerNames.splice(index, 1)
      this.#values.splice(index, 1)
    }
  }

  lowerNameAt(index: number): string {
    return this.#lowerNames[index]!
  }

  valueAt(index: number): string {
    return this.#values[index]!
  }

  lineAt(index: number): string {
    return `${this.#names[index]}: ${this.#values[index]}\r\n`
  }

  /** Names in lower case; repeated ones as arrays. Of the first fields, at most. */
  toObject(fieldsMax: number): Record<string, string | string[]> {
    const object: Record<string, string | string[]> = Object.create(null)
    const end = Math.min(fieldsMax, this.#names.length)
    for (let index = 0; index < end; index++) {
      const name = this.#lowerNames[index]!
      const before = object[name]
      const value = this.#values[index]!
      if (before === undefined) object[name] = value
      else if (typeof before === 'string') object[name] = [before, value]
      else before.push(value)
    }
    return object
  }
}

export function assertField(name: string, value: string): void {
  lowerNameOf(name)
  assertValue(name, value)
}

export function assertValue(name: string, value: string): void {
  if (!isAll(value, FIELD_VALUE)) throw new TypeError(`invalid value for header ${name}`)
}

/** Names that were found valid; few, since nearly all are written in plugins or configuration. */
const validNames = new Map<string, string>()
const VALID_NAMES_MAX = 1000

/** The name in lower case; throws for what is no name. */
export function lowerNameOf(name: string): string {
  const known = validNames.get(name)
  if (known !== undefined) return known
  if (name.length === 0 || !isAll(name, TOKEN)) throw new TypeError(`invalid header name ${JSON.stringify(name)}`)
  const lower = name.toLowerCase()
  if (validNames.size < VALID_NAMES_MAX) validNames.set(name, lower)
  return lower
}

function isAll(text: string, flag: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 255 || (CHARACTER_CLASSES[code]! & flag) === 0) return false
  }
  return true
}
