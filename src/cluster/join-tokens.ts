/** Tokens with which a data plane joins: made here, stored as a hash, counted and compared without leaking by time. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { JoinToken, JoinTokenRequest } from '../entities/cluster-view.ts'
import { type ClusterRecords, COLLECTIONS } from './records.ts'

/** `sbt1.<CA fingerprint>.<id>.<secret>`; 256 bits of secret, so a plain hash is enough at rest. */
const PATTERN = /^sbt1\.([A-Za-z0-9_-]{43})\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})$/
export const TOKEN_LENGTH_MAX = 128
const SECRET_BYTES = 32
const ID_BYTES = 8
/** So long a token that has expired is remembered, so that whoever comes with it is told what is wrong. */
const REMEMBERED_MS = 7 * 86_400_000
/** Two nodes using one token at the same moment retry; so many at once is not chance. */
const CONSUME_ATTEMPTS_MAX = 20

export interface ParsedToken {
  /** SHA-256 of the cluster CA's certificate, hex. */
  readonly authorityFingerprint: string
  readonly id: string
  readonly secret: string
}

export function parseJoinToken(token: string): ParsedToken | null {
  const match = PATTERN.exec(token.trim())
  if (match === null) return null
  const authorityFingerprint = Buffer.from(match[1]!, 'base64url').toString('hex')
  return { authorityFingerprint, id: match[2]!, secret: match[3]! }
}

interface StoredToken extends JoinToken {
  readonly secret_hash: string
}

export interface JoinTokens {
  create(request: JoinTokenRequest): Promise<JoinToken & { readonly token: string }>
  list(options: { readonly size: number; readonly after: string | null }): Promise<JoinToken[]>
  delete(id: string): Promise<boolean>
  /** Uses the token once; null when it admits, else why not. */
  consume(token: string): Promise<string | null>
}

export interface JoinTokensOptions {
  readonly records: ClusterRecords
  readonly authorityFingerprint: string
  readonly clock: Clock
  readonly random: Random
}

export function createJoinTokens({ records, authorityFingerprint, clock, random }: JoinTokensOptions): JoinTokens {
  async function consume(text: string): Promise<string | null> {
    const token = parseJoinToken(text)
    if (token === null) return 'join token is malformed'
    for (let attempt = 0; attempt < CONSUME_ATTEMPTS_MAX; attempt++) {
      const stored = await records.get<StoredToken>(COLLECTIONS.tokens, token.id)
      // Compared even when there is no such token, so that ids cannot be found by time.
      const isRight = sameHash(hashSecret(token.secret), stored?.secret_hash ?? hashSecret(''))
      if (stored === null || !isRight) return 'join token is unknown'
      if (stored.expires_at * 1000 <= clock.now()) return 'join token has expired'
      if (stored.uses_left === null) return null
      if (stored.uses_left <= 0) return 'join token is used up'
      const used = { ...stored, uses_left: stored.uses_left - 1 }
      if (await records.putIf(COLLECTIONS.tokens, token.id, used, stored, forgottenAt(stored))) return null
    }
    return 'join token is in use by too many nodes at once, try again'
  }

  return {
    async create({ name, ttl, uses }) {
      const id = random.bytes(ID_BYTES).toString('hex')
      const secret = random.bytes(SECRET_BYTES).toString('base64url')
      const created_at = Math.floor(clock.now() / 1000)
      const shown: JoinToken = { id, name, created_at, expires_at: created_at + ttl, uses_left: uses }
      const stored: StoredToken = { ...shown, secret_hash: hashSecret(secret) }
      await records.put(COLLECTIONS.tokens, id, stored, forgottenAt(stored))
      const pin = Buffer.from(authorityFingerprint, 'hex').toString('base64url')
      return { ...shown, token: `sbt1.${pin}.${id}.${secret}` }
    },
    async list({ size, after }) {
      const options = after === null ? { size } : { size, after }
      const rows = await records.list<StoredToken>(COLLECTIONS.tokens, options)
      return rows.map(({ value: { id, name, created_at, expires_at, uses_left } }) => ({
        id,
        name,
        created_at,
        expires_at,
        uses_left,
      }))
    },
    async delete(id) {
      if ((await records.get(COLLECTIONS.tokens, id)) === null) return false
      await records.delete(COLLECTIONS.tokens, id)
      return true
    },
    consume,
  }
}

function forgottenAt({ expires_at }: JoinToken): number {
  return expires_at * 1000 + REMEMBERED_MS
}

function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

function sameHash(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
