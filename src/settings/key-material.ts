/** Certificates, keys and revocation lists in settings: path, PEM text, or base64 of PEM text. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { SettingsFiles } from './settings-files.ts'

export type MaterialKind = keyof typeof CHECKS
export type KeyMaterial = { readonly ok: true; readonly pem: string } | { readonly ok: false; readonly shown: string }

/** `shown` may stand in an error text: the path if it is one, never the material itself. */
export function readKeyMaterial(text: string, kind: MaterialKind, files: SettingsFiles): KeyMaterial {
  const pem = toPem(text, files)
  if (pem !== null && CHECKS[kind](pem)) return { ok: true, pem: `${pem.trim()}\n` }
  return { ok: false, shown: looksLikePath(text) ? text : 'the given text' }
}

function toPem(text: string, files: SettingsFiles): string | null {
  if (text.includes('-----BEGIN ')) return text
  try {
    const path = resolve(files.folder, text)
    if (files.exists(path)) return files.read(path)
  } catch {
    // Unreadable, a folder, or too long for a path: whatever it is, it is no key material.
    return null
  }
  const decoded = Buffer.from(text, 'base64').toString('latin1')
  return decoded.includes('-----BEGIN ') ? decoded : null
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem)
    return true
  } catch {
    return false
  }
}

function isPrivateKey(pem: string): boolean {
  try {
    createPrivateKey(pem)
    return true
  } catch {
    return false
  }
}

/** The lists of a PEM text, one by one: the TLS library reads the first of a text only. */
export function splitRevocationLists(pem: string): string[] {
  return [...pem.matchAll(/-----BEGIN X509 CRL-----[^-]*-----END X509 CRL-----/g)].map(([list]) => `${list}\n`)
}

function isRevocationList(pem: string): boolean {
  try {
    const lists = splitRevocationLists(pem)
    createSecureContext({ crl: lists })
    return lists.length > 0
  } catch {
    return false
  }
}

const CHECKS = { certificate: isCertificate, key: isPrivateKey, 'revocation list': isRevocationList }

function looksLikePath(text: string): boolean {
  return text.length < 256 && !/[\r\n]/.test(text) && (/^[./~]/.test(text) || /\.\w{1,5}$/.test(text))
}

/** True when the private key belongs to the certificate. */
export function keyMatches(certificate: string, key: string): boolean {
  return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
}
