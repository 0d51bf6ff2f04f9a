/** The answer as plugins see and change it, in all phases: edits before it is known, the head itself, what was sent. */
import type { Awaitable, HeaderValue, LogPhase, ResponsePhase } from '../sdk/sdk.ts'
import { assert } from '../base/assert.ts'
import type { Exchange } from './exchange.ts'
import { assertField, HeaderList } from './http/header-list.ts'

type Edit = (headers: HeaderList) => void
export type BodyTransform = (body: Buffer) => Awaitable<Uint8Array>

export class Answer implements ResponsePhaseAnswer {
  readonly #exchange: Exchange
  /** Known from the header filter phase on. */
  #headers: HeaderList | null = null
  /** Recorded until then. */
  readonly #edits: Edit[] = []
  readonly #early = new HeaderList()
  transforms: BodyTransform[] | null = null

  constructor(exchange: Exchange) {
    this.#exchange = exchange
    // In the log phase: what was sent. Nothing can be changed by then.
    if (exchange.sentHead !== '') this.#headers = parseSentHead(exchange.sentHead)
  }

  /** The answer's head is known: recorded edits are applied to it, later ones work on it. */
  load(headers: HeaderList): HeaderList {
    this.#headers = headers
    for (const edit of this.#edits) edit(headers)
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
    return (this.#headers ?? this.#early).get(name)
  }

  headers(): Record<string, string | string[]> {
    return (this.#headers ?? this.#early).toObject()
  }

  setHeader(name: string, value: HeaderValue): void {
    if (this.#headers !== null) return this.#headers.set(name, value)
    this.#early.set(name, value)
    this.#edits.push(headers => headers.set(name, value))
  }

  addHeader(name: string, value: string): void {
    assertField(name, value)
    if (this.#headers !== null) return this.#headers.append(name, value)
    this.#early.append(name, value)
    this.#edits.push(headers => headers.append(name, value))
  }

  clearHeader(name: string): void {
    if (this.#headers !== null) return this.#headers.remove(name)
    this.#early.remove(name)
    this.#edits.push(headers => headers.remove(name))
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
