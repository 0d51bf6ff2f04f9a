/**
 * The keys with which sessions are put into tickets and taken out again. They come from the main process, the same for
 * all workers of a node, so that a client may resume with whichever worker it meets, and after a reload. Keys of before
 * still open tickets, so that a rotation costs no client its session.
 */
import type { Random } from '../../base/random.ts'

/** Name, HMAC key and AES key of 16 bytes each, as OpenSSL divides them. */
export const TICKET_KEYS_BYTES = 48
const PART_BYTES = 16
/** With keys of twelve hours, every ticket opens for the day that `ssl_session_timeout` gives it by default. */
export const OLD_TICKET_KEYS_MAX = 2

/** A TLS server, or a context's native side. */
export interface TicketKeysUser {
  setTicketKeys(keys: Buffer): unknown
}

/** What the callback of a native context answers: what became of the key, HMAC and AES key, and name and IV of a new ticket. */
type TicketAnswer = readonly [found: number, hmac: Buffer, aes: Buffer, name: Buffer, iv: Buffer]

/** Node takes one set of keys by its public way; more only through this, which it has had since version 0.11. */
interface NativeContext extends TicketKeysUser {
  enableTicketKeyCallback?(): void
  onticketkeycallback?: (name: Buffer, iv: Buffer, isNew: boolean) => TicketAnswer
}

interface KeySet {
  readonly name: Buffer
  readonly hmac: Buffer
  readonly aes: Buffer
}

const NONE = Buffer.alloc(PART_BYTES)
/** OpenSSL's: a whole handshake; the ticket is good; it is good, and the client gets a new one. */
const UNKNOWN = 0
const GOOD = 1
const RENEW = 2

export class TicketKeys {
  readonly #random: Random
  /** The newest first. */
  #sets: readonly KeySet[] = []
  #newest: Buffer | null = null
  readonly #users = new Set<TicketKeysUser>()
  readonly #applied = new WeakMap<TicketKeysUser, Buffer>()
  readonly #answering = new WeakSet<NativeContext>()

  constructor(random: Random) {
    this.#random = random
  }

  /** 48 bytes, or several times as many: those that make tickets, then older ones. */
  set(keys: Buffer): void {
    this.#newest = keys.subarray(0, TICKET_KEYS_BYTES)
    this.#sets = Array.from({ length: keys.length / TICKET_KEYS_BYTES }, (_, i) => divide(keys, i * TICKET_KEYS_BYTES))
    for (const user of this.#users) this.apply(user)
  }

  /** Tells it the keys now, and again whenever they change. */
  add(user: TicketKeysUser): void {
    this.#users.add(user)
    this.apply(user)
  }

  remove(user: TicketKeysUser): void {
    this.#users.delete(user)
  }

  /** Tells it the keys unless it has them. */
  apply(user: TicketKeysUser): void {
    if (this.#newest === null) return
    const context = nativeContext(user)
    if (context.enableTicketKeyCallback !== undefined) this.#answerTo(context)
    else if (this.#applied.get(user) !== this.#newest) {
      this.#applied.set(user, this.#newest)
      user.setTicketKeys(this.#newest)
    }
  }

  #answerTo(context: NativeContext): void {
    if (this.#answering.has(context)) return
    this.#answering.add(context)
    context.onticketkeycallback = (name, _iv, isNew) => (isNew ? this.#seal() : this.#open(name))
    context.enableTicketKeyCallback!()
  }

  #seal(): TicketAnswer {
    const { name, hmac, aes } = this.#sets[0]!
    return [GOOD, hmac, aes, name, this.#random.bytes(PART_BYTES)]
  }

  #open(name: Buffer): TicketAnswer {
    const at = this.#sets.findIndex(set => set.name.equals(name))
    if (at < 0) return [UNKNOWN, NONE, NONE, NONE, NONE]
    const { hmac, aes } = this.#sets[at]!
    return [at === 0 ? GOOD : RENEW, hmac, aes, NONE, NONE]
  }
}

function divide(keys: Buffer, at: number): KeySet {
  const part = (index: number) => keys.subarray(at + index * PART_BYTES, at + (index + 1) * PART_BYTES)
  return { name: part(0), hmac: part(1), aes: part(2) }
}

/** Where a server's connections begin: contexts that come by name bring certificates only. */
function nativeContext(user: TicketKeysUser): NativeContext {
  return (user as { _sharedCreds?: { context: NativeContext } })._sharedCreds?.context ?? user
}
