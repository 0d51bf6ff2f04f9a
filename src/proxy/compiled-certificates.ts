/** Which certificate answers a TLS client, by SNI (reference: proxy.md 10). */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { isVaultReference } from '../base/vault-reference.ts'
import type { Logger } from '../base/logger.ts'
import type { Row } from '../entities/config.ts'
import { foreignKey } from './entity-index.ts'

/** A message for the first thing wrong with a row of `certificates`, or null. */
export function certificateProblem(row: Row): { readonly field: string; readonly message: string } | null {
  for (const suffix of ['', '_alt']) {
    const cert = row[`cert${suffix}`]
    const key = row[`key${suffix}`]
    if (typeof cert !== 'string' || typeof key !== 'string' || isVaultReference(cert) || isVaultReference(key)) continue
    let certificate: X509Certificate
    try {
      certificate = new X509Certificate(cert)
    } catch (error) {
      return { field: `cert${suffix}`, message: `invalid certificate: ${(error as Error).message}` }
    }
    try {
      if (!certificate.checkPrivateKey(createPrivateKey(key)))
        return { field: `key${suffix}`, message: 'certificate does not match key' }
      // Refuses what OpenSSL would refuse at a client's first handshake, such as keys that are too short.
      createSecureContext({ cert, key })
    } catch (error) {
      return { field: `key${suffix}`, message: `invalid key: ${(error as Error).message}` }
    }
  }
  return null
}

/** The current rows of certificates, as they are and with references to vaults resolved. */
export interface CertificateSources {
  row(id: string): Row | null
  withSecrets(id: string): Row | null
}

export class CertificateTable {
  readonly #options: SecureContextOptions
  readonly #bySni = new Map<string, Row>()
  readonly #contexts = new Map<string, SecureContext>()
  readonly #log: Logger
  readonly #sources: CertificateSources
  /** Null: to be found out again. */
  #hasPairs: boolean | null = null

  constructor(options: SecureContextOptions, log: Logger, sources: CertificateSources) {
    this.#options = options
    this.#log = log
    this.#sources = sources
  }

  /** Some certificate has a second pair (`cert_alt`), so that which one is shown depends on what the client can use. */
  get hasPairs(): boolean {
    return (this.#hasPairs ??= this.#findPairs())
  }

  #findPairs(): boolean {
    for (const sni of this.#bySni.values()) {
      const id = foreignKey(sni, 'certificate')
      if (id !== null && typeof this.#sources.row(id)?.['cert_alt'] === 'string') return true
    }
    return false
  }

  putSni(row: Row): void {
    this.#hasPairs = null
    this.#bySni.set(String(row['name']).toLowerCase(), row)
  }

  removeSni(row: Row): void {
    this.#hasPairs = null
    const name = String(row['name']).toLowerCase()
    if (this.#bySni.get(name) === row) this.#bySni.delete(name)
  }

  /** The certificate changed or is gone: its context is made again when next asked for. */
  forget(certificateId: string): void {
    this.#hasPairs = null
    this.#contexts.delete(certificateId)
  }

  /** A vault changed, and with it perhaps any certificate. */
  forgetAll(): void {
    this.#contexts.clear()
  }

  /** Null when no SNI entity matches: the listener has a default. */
  secureContext(sni: string): SecureContext | null {
    if (this.#bySni.size === 0) return null
    const row = this.#match(sni.toLowerCase())
    const id = row === null ? null : foreignKey(row, 'certificate')
    if (id === null) return null
    const known = this.#contexts.get(id)
    if (known !== undefined) return known
    const certificate = this.#sources.withSecrets(id)
    if (certificate === null) return null
    try {
      const context = createSecureContext({ ...this.#options, ...pairs(certificate) })
      this.#contexts.set(id, context)
      return context
    } catch (error) {
      // Rows were tried before they were committed; what a vault gave was not.
      this.#log.error(`certificate '${id}' cannot be used for '${sni}': ${(error as Error).message}`)
      return null
    }
  }

  #match(sni: string): Row | null {
    const exact = this.#bySni.get(sni)
    if (exact !== undefined) return exact
    const labels = sni.split('.')
    let wildcard: Row | undefined
    // `*.example.com` asks for at least two labels after the star, as in Kong.
    if (labels.length >= 3) wildcard = this.#bySni.get(['*', ...labels.slice(1)].join('.'))
    if (labels.length >= 2) wildcard ??= this.#bySni.get([...labels.slice(0, -1), '*'].join('.'))
    return wildcard ?? this.#bySni.get('*') ?? null
  }
}

/**
 * The main pair last: a context given to Node's SNICallback presents only the pair that was set last, while one that
 * a TLS socket starts with presents whichever its client can use. So where there are pairs, the name is read first.
 */
function pairs(row: Row): { cert: string[]; key: string[] } {
  const { cert, key, cert_alt, key_alt } = row
  if (typeof cert_alt !== 'string' || typeof key_alt !== 'string') return { cert: [String(cert)], key: [String(key)] }
  return { cert: [cert_alt, String(cert)], key: [key_alt, String(key)] }
}
