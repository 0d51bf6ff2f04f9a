/** Certificates and keys in PEM. Each `…Error` returns what is wrong, or null. */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'

/** The reason of OpenSSL, without the error's own prefix; it never quotes the input. */
function reason(error: unknown): string {
  return error instanceof Error ? error.message : 'unreadable'
}

export function certificateError(pem: string): string | null {
  try {
    new X509Certificate(pem)
    return null
  } catch (error) {
    return `invalid certificate: x509.new: ${reason(error)}`
  }
}

/** A private or public key in PEM. */
export function readKey(pem: string): KeyObject {
  return /-----BEGIN [A-Z ]*PUBLIC KEY-----/.test(pem) ? createPublicKey(pem) : createPrivateKey(pem)
}

export function keyError(pem: string): string | null {
  try {
    readKey(pem)
    return null
  } catch (error) {
    return `invalid key: pkey.new: ${reason(error)}`
  }
}

/** The public half in one comparable form. */
export function publicHalf(key: KeyObject): string {
  const half = key.type === 'private' ? createPublicKey(key as never) : key
  return half.export({ type: 'spki', format: 'pem' }) as string
}
