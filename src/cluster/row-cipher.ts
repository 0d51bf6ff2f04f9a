/** Encryption at rest of the saved configuration, row by row: AES-256-GCM under a key derived from the configured one. */
import { createCipheriv, createDecipheriv, hkdfSync, scryptSync } from 'node:crypto'
import type { Random } from '../base/random.ts'

export interface RowCipher {
  /** What is stored of a row. `place` names the row, so that values cannot be moved to another. */
  seal(place: string, text: string): Uint8Array | string
  /** Throws when the value was not sealed with this key at this place. */
  open(place: string, value: unknown): string
}

export const plainRows: RowCipher = {
  seal: (_place, text) => text,
  open(place, value) {
    if (typeof value !== 'string') throw new Error(`row ${place.replace('\0', ' ')} is not text`)
    return value
  },
}

export const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** The configured key may be a passphrase, hence scrypt (20-50 ms, once at start). */
export function createRowCipher(configuredKey: string, salt: Uint8Array, random: Random): RowCipher {
  const stretched = scryptSync(configuredKey, salt, 32, { N: 16384, r: 8, p: 1 })
  const key = Buffer.from(hkdfSync('sha256', stretched, salt, 'silverback saved configuration', 32))
  return {
    seal(place, text) {
      const nonce = random.bytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(Buffer.from(place))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), body])
    },
    open(place, value) {
      if (!(value instanceof Uint8Array) || value.length < NONCE_BYTES + TAG_BYTES) throw new Error('row is not sealed')
      const nonce = value.subarray(0, NONCE_BYTES)
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.from(place))
      decipher.setAuthTag(value.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
      const body = value.subarray(NONCE_BYTES + TAG_BYTES)
      return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8')
    },
  }
}
