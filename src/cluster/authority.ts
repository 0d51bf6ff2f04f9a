/** The cluster's own certificate authority (`cluster_mtls = enroll`): one per store, made by whichever control plane is first. */
import { createHash, X509Certificate } from 'node:crypto'
import { fingerprint, generateKey, issue, type KeyPairPem, selfSigned } from '../base/certificates.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { type ClusterRecords, COLLECTIONS } from './records.ts'

/** The only name that server certificates of the cluster carry; Kong's, so that one rule serves all modes. */
export const CLUSTER_SERVER_NAME = 'kong_clustering'

const HOUR_MS = 3_600_000
const AUTHORITY_LIFETIME_MS = 10 * 365 * 24 * HOUR_MS
const SERVER_LIFETIME_MS = 30 * 24 * HOUR_MS
export const NODE_LIFETIME_MS = 24 * HOUR_MS
/** Clocks of nodes may differ so much. */
const SKEW_MS = 5 * 60_000

export interface IssuedCertificate {
  readonly certificate: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export interface ClusterAuthority {
  readonly certificate: string
  /** SHA-256 of the certificate, hex: what tokens carry and administrators compare. */
  readonly fingerprint: string
  /** For a control plane's listener; followed by the authority's own, so that a newcomer can see it. */
  issueServer(publicKey: string): IssuedCertificate
  /** Names one node, and is good for nothing but connecting as it. */
  issueNode(nodeId: string, publicKey: string): IssuedCertificate
}

interface StoredAuthority {
  readonly certificate: string
  readonly private_key: string
}

export interface AuthorityOptions {
  readonly records: ClusterRecords
  readonly clock: Clock
  readonly random: Random
  readonly nodeLifetimeMs?: number
}

export async function loadClusterAuthority(options: AuthorityOptions): Promise<ClusterAuthority> {
  const { records, clock, random, nodeLifetimeMs = NODE_LIFETIME_MS } = options
  const stored = (await records.get<StoredAuthority>(COLLECTIONS.authority, 'current')) ?? (await found(options))
  const authority = { certificate: stored.certificate, privateKey: stored.private_key }
  const end = new X509Certificate(stored.certificate).validToDate.getTime()
  const lifetime = (ms: number) => {
    const now = clock.now()
    // Never beyond the authority itself.
    return { notBefore: new Date(now - SKEW_MS), notAfter: new Date(Math.min(now + ms, end)) }
  }
  return {
    certificate: stored.certificate,
    fingerprint: fingerprint(stored.certificate),
    issueServer(publicKey) {
      const times = lifetime(SERVER_LIFETIME_MS)
      const certificate = issue({
        authority,
        publicKey,
        subject: { CN: CLUSTER_SERVER_NAME },
        dnsNames: [CLUSTER_SERVER_NAME],
        usages: ['server'],
        ...times,
        random,
      })
      return { certificate: `${certificate.trim()}\n${stored.certificate}`, expiresAt: times.notAfter.getTime() }
    },
    issueNode(nodeId, publicKey) {
      const times = lifetime(nodeLifetimeMs)
      const certificate = issue({
        authority,
        publicKey,
        subject: { O: 'Silverback data plane', CN: nodeId },
        usages: ['client'],
        ...times,
        random,
      })
      return { certificate, expiresAt: times.notAfter.getTime() }
    },
  }
}

/** Makes the authority, unless another control plane was faster. */
async function found({ records, clock, random }: AuthorityOptions): Promise<StoredAuthority> {
  const key = await generateKey('P-256')
  const now = clock.now()
  const certificate = selfSigned({
    subject: { CN: 'Silverback cluster CA' },
    key,
    isAuthority: true,
    notBefore: new Date(now - SKEW_MS),
    notAfter: new Date(now + AUTHORITY_LIFETIME_MS),
    random,
  })
  const mine: StoredAuthority = { certificate, private_key: key.privateKey }
  if (await records.putIf(COLLECTIONS.authority, 'current', mine, null)) return mine
  const theirs = await records.get<StoredAuthority>(COLLECTIONS.authority, 'current')
  if (theirs === null) throw new Error('the cluster authority vanished while it was being made')
  return theirs
}

export function newNodeKey(): Promise<KeyPairPem> {
  return generateKey('P-256')
}

/** SHA-256 of a public key, hex: what an admission is bound to. */
export function keyFingerprint(certificate: X509Certificate): string {
  return createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}
