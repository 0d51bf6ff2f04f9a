/** The hash of a whole configuration as Kong computes it, so that its data planes and ours agree on what they have. */
import { createHash } from 'node:crypto'
import { EMPTY_CONFIG_HASH } from '../entities/config.ts'
import { luaNumber } from '../schema/messages.ts'

/** Kong replaces the text so far by its digest when it has grown beyond this. */
const TEXT_BYTES_MAX = 1_000_000
/** Lists up to this length have no separator at their end. */
const SHORT_LIST_MAX = 5

const PARTS = ['routes', 'services', 'plugins', 'upstreams', 'targets'] as const

export interface ConfigHashes {
  readonly config: string
  readonly routes: string
  readonly services: string
  readonly plugins: string
  readonly upstreams: string
  readonly targets: string
}

type ConfigTable = Readonly<Record<string, unknown>>

export function configHashes(config: ConfigTable): ConfigHashes {
  const parts = Object.fromEntries(PARTS.map(part => [part, valueHash(config[part])])) as Record<
    (typeof PARTS)[number],
    string
  >
  const rest = Object.fromEntries(
    Object.entries(config).filter(([name]) => !(PARTS as readonly string[]).includes(name)),
  )
  const joined = PARTS.map(part => parts[part]).join('') + valueHash(rest)
  return { config: md5(joined), ...parts }
}

/** 32 zeros for an absent value. */
export function valueHash(value: unknown): string {
  if (value === undefined) return EMPTY_CONFIG_HASH
  const text = new CanonicalText()
  text.append(value)
  return text.digest()
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex')
}

class CanonicalText {
  private chunks: (string | Buffer)[] = []
  private bytes = 0

  private put(text: string): void {
    this.chunks.push(text)
    this.bytes += Buffer.byteLength(text)
  }

  private hash() {
    const hash = createHash('md5')
    for (const chunk of this.chunks) hash.update(chunk)
    return hash
  }

  digest(): string {
    return this.hash().digest('hex')
  }

  append(value: unknown): void {
    if (this.bytes > TEXT_BYTES_MAX) {
      const digest = this.hash().digest()
      this.chunks = [digest]
      this.bytes = digest.length
    }
    if (value === null || value === undefined) this.put('/null/')
    else if (typeof value === 'number') this.put(luaNumber(value))
    else if (typeof value !== 'object') this.put(String(value))
    else if (Object.keys(value).length === 0) this.put('{}')
    else if (Array.isArray(value)) this.appendList(value)
    else this.appendRecord(value as ConfigTable)
  }

  private appendList(list: readonly unknown[]): void {
    for (const [at, member] of list.entries()) {
      this.append(member)
      if (list.length > SHORT_LIST_MAX || at < list.length - 1) this.put(';')
    }
  }

  private appendRecord(record: ConfigTable): void {
    for (const key of Object.keys(record).sort(byBytes)) {
      if (record[key] === undefined) continue
      this.put(`${key}:`)
      this.append(record[key])
      this.put(';')
    }
  }
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
