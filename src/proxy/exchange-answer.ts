/** The answer as plugins see and change it, in all phases: edits before it is known, the head itself, what was sent. */
import type { Awaitable, HeaderValue, LogPhase, ResponsePhase } from '../sdk/sdk.ts'
import { assert } from '../base/assert.ts'
import type { Exchange } from './exchange.ts'
import { FieldOverrides } from './http/field-overrides.ts'
import { headerIdOf, OTHER } from './http/header-ids.ts'
import { assertValue, HeaderList, lowerNameOf } from './http/header-list.ts'
import type { ResponseHead } from './http/response-head.ts'

/** A change asked for before the answer is known. No values: the field is removed. */
interface Edit {
  readonly name: string
  readonly lower: string
  readonly values: readonly string[]
  readonly isAdded: boolean
}
export type BodyTransform = (body: Buffer) => Awaitable<Uint8Array>

export class Answer implements ResponsePhaseAnswer {
  readonly #exchange: Exchange
  /** Known from the header filter phase on. */
  #headers: HeaderList | null = null
  /** Recorded until then. */
  readonly #edits: Edit[] = []
  transforms: BodyTransform[] | null = null
  /** `#headers` are those that were sent. */
  #isSent = false

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  /** The answer's head is known: recorded edits are applied to it, later ones work on it. */
  load(headers: HeaderList): HeaderList {
    this.#headers = headers
    for (const { name, values, isAdded } of this.#edits) {
      if (isAdded) headers.append(name, values[0]!)
      else headers.set(name, values)
    }
    return headers
  }

  /**
   * Recorded edits as what differs from the upstream's head, so that it need not be taken apart; null when some of
   * them touch fields that the proxy itself writes.
   */
  overridesOn(head: ResponseHead): FieldOverrides | null {
    const overrides = new FieldOverrides(head)
    for (const { name, lower, values, isAdded } of this.#edits) {
      if (headerIdOf(lower) !== OTHER) return null
      overrides.setChecked(name, lower, isAdded ? [...overrides.getAll(name), ...values] : values)
    }
    return overrides
  }

  /** In the log phase what was sent; before the head is known, what was asked for so far. */
  #current(): HeaderList {
    const { sentHead } = this.#exchange
    if (sentHead !== '' && !this.#isSent) {
      this.#isSent = true
      this.#headers = parseSentHead(sentHead)
    }
    return this.#headers ?? this.#early()
  }

  /** What earlier phases have asked for, as far as that can be told. */
  #early(): HeaderList {
    const headers = this.load(new HeaderList())
    this.#headers = null
    return headers
  }

  /** The head's fields; there are some from the header filter phase on. */
  get known(): HeaderList {
    assert(this.#headers !== null, 'the answer is known')
    return this.#headers
  }

  get status(): number {
    return this.#exchange.status
  }

  set status(status: number) {
    if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError(`invalid status ${status}`)
    this.#exchange.status = status
  }

  get source(): 'service' | 'exit' | 'error' {
    return this.#exchange.source
  }

  header(name: string): string | undefined {
    return this.#current().get(name)
  }

  headers(): Record<string, string | string[]> {
    const headers = this.#current()
    const max = this.#exchange.context.settings.seen.responseHeadersMax
    if (headers.length > max) this.#exchange.noteCut('response headers')
    return headers.toObject(max)
  }

  setHeader(name: string, value: HeaderValue): void {
    if (this.#headers !== null) return this.#headers.set(name, value)
    const values = typeof value === 'string' ? [value] : value
    const lower = lowerNameOf(name)
    for (const one of values) assertValue(name, one)
    this.#edits.push({ name, lower, values, isAdded: false })
  }

  addHeader(name: string, value: string): void {
    if (this.#headers !== null) return this.#headers.add(name, value)
    const lower = lowerNameOf(name)
    assertValue(name, value)
    this.#edits.push({ name, lower, values: [value], isAdded: true })
  }

  clearHeader(name: string): void {
    if (this.#headers !== null) return this.#headers.remove(name)
    this.#edits.push({ name, lower: name.toLowerCase(), values: [], isAdded: false })
  }

  transformBody(transform: BodyTransform): void {
    this.transforms ??= []
    this.transforms.push(transform)
  }
}

type ResponsePhaseAnswer = ResponsePhase['response'] & LogPhase['response']

function parseSentHead(head: string): HeaderList {
  const list = new HeaderList()
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':')
    if (colon > 0) list.append(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  return list
}
