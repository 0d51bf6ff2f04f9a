/** TLS towards upstreams: one secure context for each set of options, and how long a chain may be. */
import { isIP } from 'node:net'
import {
  type ConnectionOptions,
  createSecureContext,
  type DetailedPeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import type { UpstreamTlsOptions } from '../compiled.ts'
import type { ProxySettings, UpstreamTrust } from '../proxy-settings.ts'

/** Contexts are costly to make and few: one per set of options, in the order of last use. */
const SECURE_CONTEXTS_MAX = 1000
/** Chains in the wild have four certificates; this ends a walk that goes round in circles. */
const CHAIN_LENGTH_MAX = 32

export class SecureContexts {
  readonly #tls: ProxySettings['tls']
  readonly #trust: UpstreamTrust
  readonly #contexts = new Map<UpstreamTlsOptions, SecureContext>()

  constructor(tls: ProxySettings['tls'], subsystem: 'http' | 'stream') {
    this.#tls = tls
    this.#trust = tls.upstreams[subsystem]
  }

  /** What `tls.connect` is given besides the address. */
  connectOptions(options: UpstreamTlsOptions, serverName: string): ConnectionOptions {
    return {
      // Names only (RFC 6066 section 3); an address is verified against the certificate all the same.
      ...(isIP(serverName) === 0 && serverName !== '' ? { servername: serverName } : {}),
      secureContext: this.#contextOf(options),
      rejectUnauthorized: this.#isVerified(options),
    }
  }

  #contextOf(options: UpstreamTlsOptions): SecureContext {
    let secureContext = this.#contexts.get(options)
    if (secureContext === undefined) {
      const tls = this.#tls
      const own = options.cert !== null && options.key !== null ? { cert: options.cert, key: options.key } : null
      const certificate = own ?? tls.clientCertificate
      const { authorities } = this.#trust
      const ca = options.ca ?? (authorities === null ? null : [authorities])
      secureContext = createSecureContext({
        ...(certificate === null ? {} : { cert: certificate.cert, key: certificate.key }),
        ...(ca === null ? {} : { ca: [...ca] }),
        minVersion: tls.minVersion,
        maxVersion: tls.maxVersion,
      })
      if (this.#contexts.size >= SECURE_CONTEXTS_MAX) this.#contexts.clear()
      this.#contexts.set(options, secureContext)
    }
    return secureContext
  }

  #isVerified({ verify }: UpstreamTlsOptions): boolean {
    return verify ?? this.#trust.verify
  }

  /**
   * Why the verified chain of a connection must not be taken, or null. The runtime knows no `tls_verify_depth`, so the
   * authorities between the certificate and its root are counted here, as OpenSSL counts them.
   */
  chainProblem(socket: TLSSocket, options: UpstreamTlsOptions): string | null {
    if (!this.#isVerified(options)) return null
    const depth = options.verifyDepth ?? this.#trust.verifyDepth
    const between = Math.max(0, chainLength(socket.getPeerCertificate(true)) - 2)
    return between <= depth
      ? null
      : `the certificate chain has ${between} intermediate authorities, and tls_verify_depth allows ${depth}`
  }
}

function chainLength(leaf: DetailedPeerCertificate): number {
  let length = 1
  let at = leaf
  while (at.issuerCertificate !== undefined && at.issuerCertificate !== at && length < CHAIN_LENGTH_MAX) {
    if (at.issuerCertificate.fingerprint256 === at.fingerprint256) break
    at = at.issuerCertificate
    length++
  }
  return length
}
