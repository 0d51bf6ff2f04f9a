/** Whom a control plane lets in, for each of the three modes, and with which certificate it listens. */
import { timingSafeEqual, X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import { type ClusterAuthority, loadClusterAuthority, newNodeKey } from './authority.ts'
import { createEnrollment, type Enrollment } from './enrollment.ts'
import { createJoinTokens, type JoinTokens } from './join-tokens.ts'
import type { ClusterRecords } from './records.ts'
import type { Peer } from './session.ts'

export type ControlPlaneTrust =
  /** Every node has one and the same certificate, as in Kong. */
  | { readonly mode: 'shared'; readonly certificate: string; readonly key: string }
  /** Certificates of an existing authority, as in Kong. */
  | {
      readonly mode: 'pki'
      readonly certificate: string
      readonly key: string
      readonly ca: string
      readonly crl: readonly string[]
    }
  /** Certificates of the cluster's own authority, given to nodes that were admitted. */
  | { readonly mode: 'enroll'; readonly autoApproveLoopback: boolean }

export interface TlsMaterial {
  readonly cert: string
  readonly key: string
  /** Whose client certificates TLS itself verifies. */
  readonly ca?: string
  /** Revocation lists, one PEM text each. */
  readonly crl?: string[]
}

export type Admission =
  | { readonly ok: true; readonly peer: Peer; readonly certificate: X509Certificate }
  | { readonly ok: false; readonly reason: string }

export interface TrustGate {
  material(): TlsMaterial
  /** True when `material` has changed. */
  refresh(): boolean
  /** Other revocation lists. True when `material` has changed: whoever is connected has to be judged again. */
  revoke(crl: readonly string[]): boolean
  admit(socket: TLSSocket): Promise<Admission>
  /** Null unless the mode is `enroll`. */
  readonly joining: { readonly enrollment: Enrollment; readonly tokens: JoinTokens } | null
}

export interface TrustGateOptions {
  readonly trust: ControlPlaneTrust
  readonly records: ClusterRecords
  readonly purgeDelaySeconds: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** For tests: how long the certificates of nodes live. */
  readonly nodeLifetimeMs?: number
}

export async function createTrustGate(options: TrustGateOptions): Promise<TrustGate> {
  const { trust } = options
  if (trust.mode !== 'enroll') return createFixedGate(trust)
  const { records, clock, random, logger, purgeDelaySeconds, nodeLifetimeMs } = options
  const lifetime = nodeLifetimeMs === undefined ? {} : { nodeLifetimeMs }
  const authority = await loadClusterAuthority({ records, clock, random, ...lifetime })
  const tokens = createJoinTokens({ records, authorityFingerprint: authority.fingerprint, clock, random })
  const enrollment = createEnrollment({
    records,
    authority,
    tokens,
    autoApproveLoopback: trust.autoApproveLoopback,
    purgeDelaySeconds,
    clock,
    logger,
  })
  logger.notice(`cluster CA fingerprint (SHA-256): ${authority.fingerprint}`)
  return createEnrollGate({ authority, enrollment, tokens, clock, key: await newNodeKey() })
}

/** The address without the mapping that a dual-stack socket adds to IPv4. */
export function peerAddress(socket: TLSSocket): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
}

function createFixedGate(trust: Exclude<ControlPlaneTrust, { mode: 'enroll' }>): TrustGate {
  const own = new X509Certificate(trust.certificate)
  const digest = Buffer.from(own.fingerprint256)
  const material = { cert: trust.certificate, key: trust.key }
  let lists = trust.mode === 'pki' ? trust.crl : []
  return {
    material() {
      if (trust.mode !== 'pki') return material
      return { ...material, ca: trust.ca, ...(lists.length === 0 ? {} : { crl: [...lists] }) }
    },
    refresh: () => false,
    revoke(crl) {
      const isOther = trust.mode === 'pki' && crl.join() !== lists.join()
      lists = crl
      return isOther
    },
    async admit(socket) {
      const certificate = socket.getPeerX509Certificate()
      if (certificate === undefined) {
        return { ok: false, reason: 'data plane failed to present client certificate during handshake' }
      }
      // Kong compares digests and ignores the dates: a shared certificate that has run out keeps the cluster together.
      const isTrusted =
        trust.mode === 'pki' ? socket.authorized : timingSafeEqual(Buffer.from(certificate.fingerprint256), digest)
      if (!isTrusted) {
        const why =
          trust.mode === 'pki' ? `${socket.authorizationError}` : 'digest does not match the control plane certificate'
        return {
          ok: false,
          reason: `data plane presented incorrect client certificate during handshake (${why})`,
        }
      }
      const certificateExpiresAt = certificate.validToDate.getTime()
      const peer = { ip: peerAddress(socket), nodeId: null, certificateExpiresAt, renewable: false }
      return { ok: true, peer, certificate }
    },
    joining: null,
  }
}

interface EnrollGateParts {
  readonly authority: ClusterAuthority
  readonly enrollment: Enrollment
  readonly tokens: JoinTokens
  readonly clock: Clock
  readonly key: { readonly privateKey: string; readonly publicKey: string }
}

function createEnrollGate({ authority, enrollment, tokens, clock, key }: EnrollGateParts): TrustGate {
  let issuedAt = clock.now()
  let server = authority.issueServer(key.publicKey)
  return {
    material: () => ({ cert: server.certificate, key: key.privateKey, ca: authority.certificate }),
    refresh() {
      if (clock.now() < issuedAt + (2 / 3) * (server.expiresAt - issuedAt)) return false
      issuedAt = clock.now()
      server = authority.issueServer(key.publicKey)
      return true
    },
    // Nodes are revoked one by one, in the store.
    revoke: () => false,
    async admit(socket) {
      const certificate = socket.getPeerX509Certificate()
      if (certificate === undefined) return { ok: false, reason: 'node is not enrolled' }
      const expiresAt = certificate.validToDate.getTime()
      if (expiresAt <= clock.now()) return { ok: false, reason: 'certificate has expired' }
      if (!socket.authorized) return { ok: false, reason: `certificate is not ours: ${socket.authorizationError}` }
      const nodeId = commonName(certificate)
      if (nodeId === null) return { ok: false, reason: 'certificate names no node' }
      const refusal = await enrollment.checkNode(nodeId, certificate)
      if (refusal !== null) return { ok: false, reason: refusal }
      const peer = { ip: peerAddress(socket), nodeId, certificateExpiresAt: expiresAt, renewable: true }
      return { ok: true, peer, certificate }
    },
    joining: { enrollment, tokens },
  }
}

function commonName(certificate: X509Certificate): string | null {
  const lines = certificate.subject.split('\n').filter(line => line.startsWith('CN='))
  return lines.length === 1 ? lines[0]!.slice(3) : null
}
