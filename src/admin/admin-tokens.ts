/** Bearer tokens of the Admin API: shown once when they are made, kept as hashes, each with a role and an end. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { RecordStore } from '../store/store.ts'

export const ROLES = ['admin', 'read-only'] as const
/** `read-only` may GET; `admin` may do everything. */
export type Role = (typeof ROLES)[number]

/** Without the secret. */
export interface AdminToken {
  readonly id: string
  readonly name: string
  readonly role: Role
  /** Seconds since the epoch. */
  readonly created_at: number
  /** Seconds since the epoch, or null for a token that lasts until it is deleted. */
  readonly expires_at: number | null
}

interface StoredToken extends AdminToken {
  readonly secret_hash: string
}

export interface AdminTokens {
  create(request: { name: string; role: Role; ttl: number | null }): Promise<AdminToken & { readonly token: string }>
  list(options: { size: number; after: string | null }): Promise<AdminToken[]>
  /** What was deleted, or null. */
  delete(id: string): Promise<AdminToken | null>
  /** Whose token it is, or null when it is nobody's or has expired. */
  verify(token: string): Promise<AdminToken | null>
}

const COLLECTION = 'admin_tokens'
/** `sba1.<id>.<secret>`; 256 bits of secret, so a plain hash is enough at rest. */
const PATTERN = /^sba1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})$/
const ID_BYTES = 8
const SECRET_BYTES = 32

export interface AdminTokensOptions {
  readonly records: Omit<RecordStore, 'trim'>
  readonly clock: Clock
  readonly random: Random
}

export function createAdminTokens({ records, clock, random }: AdminTokensOptions): AdminTokens {
  return {
    async create({ name, role, ttl }) {
      const id = random.bytes(ID_BYTES).toString('hex')
      const secret = random.bytes(SECRET_BYTES).toString('base64url')
      const created_at = Math.floor(clock.now() / 1000)
      const shown: AdminToken = { id, name, role, created_at, expires_at: ttl === null ? null : created_at + ttl }
      const stored: StoredToken = { ...shown, secret_hash: hashSecret(secret) }
      await records.put(COLLECTION, id, stored, ttl === null ? undefined : clock.now() + ttl * 1000)
      return { ...shown, token: `sba1.${id}.${secret}` }
    },
    async list({ size, after }) {
      const rows = await records.list<StoredToken>(COLLECTION, after === null ? { size } : { size, after })
      return rows.map(({ value }) => withoutHash(value))
    },
    async delete(id) {
      const stored = await records.get<StoredToken>(COLLECTION, id)
      if (stored === null) return null
      await records.delete(COLLECTION, id)
      return withoutHash(stored)
    },
    async verify(token) {
      const match = PATTERN.exec(token)
      if (match === null) return null
      const stored = await records.get<StoredToken>(COLLECTION, match[1]!)
      // Compared even when there is no such token, so that ids cannot be found by time.
      const isRight = isSameSecret(hashSecret(match[2]!), stored?.secret_hash ?? hashSecret(''))
      if (stored === null || !isRight) return null
      if (stored.expires_at !== null && stored.expires_at * 1000 <= clock.now()) return null
      return withoutHash(stored)
    },
  }
}

function withoutHash({ id, name, role, created_at, expires_at }: StoredToken): AdminToken {
  return { id, name, role, created_at, expires_at }
}

export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** Of two hashes. */
export function isSameSecret(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
