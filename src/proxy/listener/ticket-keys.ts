/**
 * The keys with which sessions are put into tickets and taken out again. They come from the main process, the same for
 * all workers of a node, so that a client may resume with whichever worker it meets, and after a reload.
 */

/** Name, HMAC key and AES key of 16 bytes each, as OpenSSL divides them. */
export const TICKET_KEYS_BYTES = 48

export interface TicketKeysUser {
  setTicketKeys(keys: Buffer): unknown
}

export class TicketKeys {
  #keys: Buffer | null = null
  readonly #users = new Set<TicketKeysUser>()
  readonly #applied = new WeakMap<TicketKeysUser, Buffer>()

  set(keys: Buffer): void {
    this.#keys = keys
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
    if (this.#keys === null || this.#applied.get(user) === this.#keys) return
    this.#applied.set(user, this.#keys)
    user.setTicketKeys(this.#keys)
  }
}
