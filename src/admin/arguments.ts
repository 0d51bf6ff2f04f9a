/** Names and values of a query string or of an urlencoded body. */

/** As many as Kong takes; beyond them a request is refused, not cut. */
export const argumentsMax = 1000

export class RequestArguments {
  readonly #values = new Map<string, string[]>()

  /** False when there are more than `argumentsMax`. */
  static parse(text: string): RequestArguments | null {
    const pairs = parsePairs(text)
    if (pairs === null) return null
    const out = new RequestArguments()
    for (const [name, value] of pairs) {
      const values = out.#values.get(name)
      if (values === undefined) out.#values.set(name, [value])
      else values.push(value)
    }
    return out
  }

  /** All values, in order; a name that was not sent has none. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }

  first(name: string): string | undefined {
    return this.#values.get(name)?.[0]
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }
}

/** In order, decoded; null when there are too many. */
export function parsePairs(text: string): readonly (readonly [string, string])[] | null {
  if (text === '') return []
  const out: (readonly [string, string])[] = []
  for (const part of text.split('&', argumentsMax + 1)) {
    if (part === '') continue
    const at = part.indexOf('=')
    const name = at < 0 ? part : part.slice(0, at)
    out.push([decode(name), at < 0 ? '' : decode(part.slice(at + 1))])
  }
  return out.length > argumentsMax ? null : out
}

/** `+` is a space here, unlike in a path. */
function decode(text: string): string {
  return percentDecode(text.includes('+') ? text.replaceAll('+', ' ') : text)
}

/** As nginx: a broken escape stays as it was sent. Bytes that are not UTF-8 become U+FFFD, which no name or tag may have. */
export function percentDecode(text: string): string {
  if (!text.includes('%')) return text
  return text.replace(/(?:%[0-9a-fA-F]{2})+/g, run => Buffer.from(run.replaceAll('%', ''), 'hex').toString())
}
