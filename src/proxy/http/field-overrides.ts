/**
 * Edits of a head's fields as what differs from it: a name and the lines that replace all fields of that name.
 *
 * A few edits on a head of a dozen fields are the rule (authentication sets five), so lists that are walked beat maps,
 * and the head itself is never taken apart.
 */
import type { HeaderValue } from '../../sdk/sdk.ts'
import { assertField } from './header-list.ts'
import type { HeadScanner } from './head-scanner.ts'

export class FieldOverrides {
  readonly #head: HeadScanner
  readonly #lowerNames: string[] = []
  /** As given, for the lines. */
  readonly #names: string[] = []
  /** No values: the field is removed. */
  readonly #values: (readonly string[])[] = []

  constructor(head: HeadScanner) {
    this.#head = head
  }

  get count(): number {
    return this.#names.length
  }

  get(name: string): string | undefined {
    const lower = name.toLowerCase()
    const index = this.#lowerNames.indexOf(lower)
    return index === -1 ? this.#head.find(lower) : this.#values[index]![0]
  }

  getAll(name: string): readonly string[] {
    const lower = name.toLowerCase()
    const index = this.#lowerNames.indexOf(lower)
    return index === -1 ? this.#head.findAll(lower) : this.#values[index]!
  }

  /** Throws for names and values that would break the message; what plugins pass on may come from clients. */
  set(name: string, value: HeaderValue): void {
    const values = typeof value === 'string' ? [value] : value
    for (const one of values) assertField(name, one)
    this.setChecked(name, name.toLowerCase(), values)
  }

  /** For names and values known to be well formed. */
  setChecked(name: string, lower: string, values: readonly string[]): void {
    const index = this.#lowerNames.indexOf(lower)
    if (index === -1) {
      this.#names.push(name)
      this.#lowerNames.push(lower)
      this.#values.push(values)
    } else {
      this.#names[index] = name
      this.#values[index] = values
    }
  }

  add(name: string, value: string): void {
    assertField(name, value)
    this.setChecked(name, name.toLowerCase(), [...this.getAll(name), value])
  }

  remove(name: string): void {
    this.removeLower(name.toLowerCase())
  }

  removeLower(lower: string): void {
    if (this.#lowerNames.includes(lower) || this.#head.indexOf(lower) !== -1) this.setChecked(lower, lower, [])
  }

  /** Whether the field at this index of the head is replaced or removed. */
  covers(index: number): boolean {
    for (let i = 0; i < this.#lowerNames.length; i++) if (this.#head.isNamed(index, this.#lowerNames[i]!)) return true
    return false
  }

  lowerNameAt(index: number): string {
    return this.#lowerNames[index]!
  }

  linesAt(index: number): string {
    let lines = ''
    for (const value of this.#values[index]!) lines += `${this.#names[index]}: ${value}\r\n`
    return lines
  }
}
