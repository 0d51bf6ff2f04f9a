/** With which certificate a data plane connects, and whose it accepts, for each of the three modes. */
import { X509Certificate } from 'node:crypto'
import type { ConnectionOptions } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { CLUSTER_SERVER_NAME } from './authority.ts'
import { enroll, pinsAnotherAuthority } from './enroll-client.ts'
import { openIdentityStore } from './node-identity.ts'
import type { Endpoint, Tunnel } from './proxy-tunnel.ts'

export type DataPlaneTrust =
  | { readonly mode: 'shared'; readonly certificate: string; readonly key: string }
  | {
      readonly mode: 'pki'
      readonly certificate: string
      readonly key: string
      /** Null: the system's authorities. */
      readonly ca: string | null
      /** `cluster_server_name`; null: the host that is dialled. */
      readonly serverName: string | null
    }
  | {
      readonly mode: 'enroll'
      /** Made if it is not there. */
      readonly identityFolder: string
      readonly token: string | null
      /** Certificate of the cluster's authority, if it is configured. */
      readonly ca: string | null
    }

export type Credentials =
  | { readonly ok: true; readonly tls: ConnectionOptions }
  | { readonly ok: false; readonly reason: string; readonly isPending: boolean }

export interface ClientIdentity {
  /** What to dial with; enrols first where that is needed. Rejects when the control plane cannot be reached. */
  credentials(endpoint: Endpoint): Promise<Credentials>
  /** Milliseconds since the epoch, or null when the certificate is not renewed here. */
  renewAt(): number | null
  expiresAt(): number | null
  /** Throws when it is not a certificate for our key. */
  storeCertificate(certificate: string): void
  /** The control plane answered 403. */
  refused(reason: string): void
  /** What to do about a failed connection, or null when its message says it. */
  advice(error: Error): string | null
}

export interface ClientIdentityOptions {
  readonly trust: DataPlaneTrust
  readonly node: { readonly node_id: string; readonly hostname: string }
  readonly tunnel?: Tunnel
  readonly clock: Clock
  readonly logger: Logger
}

export async function createClientIdentity({
  trust,
  node,
  tunnel,
  clock,
  logger,
}: ClientIdentityOptions): Promise<ClientIdentity> {
  if (trust.mode !== 'enroll') return createFixedIdentity(trust)
  const identity = await openIdentityStore(trust.identityFolder)
  const times = () => {
    const { certificate } = identity.read()
    if (certificate === null) return null
    const parsed = new X509Certificate(certificate)
    return { from: parsed.validFromDate.getTime(), to: parsed.validToDate.getTime() }
  }
  return {
    async credentials(endpoint) {
      const before = identity.read()
      const isUsable = before.certificate !== null && times()!.to > clock.now()
      const isTrusted = trust.ca !== null || !pinsAnotherAuthority(trust.token, before.ca)
      if (!isUsable || !isTrusted) {
        const outcome = await enroll({
          endpoint,
          identity,
          node,
          token: trust.token,
          ca: trust.ca,
          tunnel: tunnel ?? null,
          logger,
        })
        if (outcome.status === 'pending') return { ok: false, reason: 'waiting for approval', isPending: true }
        if (outcome.status === 'refused') return { ok: false, reason: outcome.reason, isPending: false }
      }
      const { privateKey, certificate, ca } = identity.read()
      const tls = { key: privateKey, cert: certificate!, ca: trust.ca ?? ca!, servername: CLUSTER_SERVER_NAME }
      return { ok: true, tls }
    },
    renewAt() {
      const valid = times()
      return valid === null ? null : valid.from + (2 / 3) * (valid.to - valid.from)
    },
    expiresAt: () => times()?.to ?? null,
    storeCertificate(certificate) {
      if (
        new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'pem' }) !== identity.read().publicKey
      ) {
        throw new Error('the renewed certificate is for another key')
      }
      identity.saveCertificate(certificate)
    },
    refused(reason) {
      // Enrolling again either repairs it or says why not.
      logger.warn(`control plane does not take our certificate: ${reason}`)
      identity.forgetCertificate()
    },
    advice(error) {
      if (!UNTRUSTED.includes((error as NodeJS.ErrnoException).code ?? '')) return null
      return `the control plane has another cluster CA than this node trusts; give it a new join token, or remove ${trust.identityFolder}`
    },
  }
}

const UNTRUSTED: readonly string[] = [
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
]

function createFixedIdentity(trust: Exclude<DataPlaneTrust, { mode: 'enroll' }>): ClientIdentity {
  const expiresAt = new X509Certificate(trust.certificate).validToDate.getTime()
  const own = { cert: trust.certificate, key: trust.key }
  return {
    async credentials() {
      if (trust.mode === 'shared') {
        return { ok: true, tls: { ...own, ca: trust.certificate, servername: CLUSTER_SERVER_NAME } }
      }
      const ca = trust.ca === null ? {} : { ca: trust.ca }
      // Otherwise the host that is dialled is the name to verify, be it an address.
      const name = trust.serverName === null ? {} : { servername: trust.serverName }
      return { ok: true, tls: { ...own, ...ca, ...name } }
    },
    renewAt: () => null,
    expiresAt: () => expiresAt,
    storeCertificate() {
      throw new Error('this certificate is not renewed here')
    },
    refused() {},
    advice: () => null,
  }
}
