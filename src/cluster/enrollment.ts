/**
 * Who may join (`cluster_mtls = enroll`), decided by the control plane, kept in the store.
 *
 * An admission binds a node id to a public key. The first request for an id holds it: nobody else can take the id of
 * a node that is pending, or that is admitted and alive. A revoked id stays revoked.
 */
import { createHash, createPublicKey, verify, type X509Certificate } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { type ClusterAuthority, type IssuedCertificate, keyFingerprint } from './authority.ts'
import { type JoinTokens, TOKEN_LENGTH_MAX } from './join-tokens.ts'
import { UUID } from './message-checks.ts'
import { HOSTNAME } from './messages.ts'
import type { ClusterNode, DataPlaneRecord } from '../entities/cluster-view.ts'
import { type ClusterRecords, COLLECTIONS } from './records.ts'

export const ENROLL_BYTES_MAX = 8 * 1024

export interface EnrollRequest {
  readonly node_id: string
  readonly hostname: string
  /** SPKI, PEM, P-256. */
  readonly public_key: string
  /** By the key over `enrollmentProof`, base64: whoever asks holds it. */
  readonly proof: string
  readonly token: string | null
}

export type EnrollAnswer =
  | { readonly status: 'issued'; readonly certificate: string }
  | { readonly status: 'pending'; readonly key_fingerprint: string }
  | { readonly status: 'refused'; readonly reason: string }

export interface Enrollment {
  enroll(request: EnrollRequest, ip: string): Promise<EnrollAnswer>
  /** Null when the certificate's holder is admitted now, else why not. The certificate's signature was checked by TLS. */
  checkNode(nodeId: string, certificate: X509Certificate): Promise<string | null>
  /** A new certificate for a node that is connected with one; null when it is no longer admitted. */
  renew(nodeId: string, certificate: X509Certificate): Promise<IssuedCertificate | null>
  nodes(options: { readonly size: number; readonly after: string | null }): Promise<ClusterNode[]>
  approve(id: string): Promise<ClusterNode | null>
  revoke(id: string): Promise<ClusterNode | null>
  isRevoked(id: string): Promise<boolean>
  /** Differs from the last answer when some control plane revoked a node in between. */
  revocationCount(): Promise<number>
}

export interface EnrollmentOptions {
  readonly records: ClusterRecords
  readonly authority: ClusterAuthority
  readonly tokens: JoinTokens
  readonly autoApproveLoopback: boolean
  /** How long an admission outlives its last certificate, so that a long-lost node can come back by itself. */
  readonly purgeDelaySeconds: number
  readonly clock: Clock
  readonly logger: Logger
}

/** A node that waits asks every few seconds; one that stopped asking frees its place. */
const PENDING_MS = 10 * 60_000
const PENDING_MAX = 200
/** A node heard of within this time is alive, and its id cannot be taken over. */
const ALIVE_SECONDS = 60
const LOOPBACK = /^(127\.|::1$)/

export function createEnrollment(options: EnrollmentOptions): Enrollment {
  return new StoredEnrollment(options)
}

export function isLoopback(ip: string): boolean {
  return LOOPBACK.test(ip)
}

export function enrollmentProof(nodeId: string, publicKey: string): Buffer {
  return Buffer.from(`silverback enrollment\n${nodeId}\n${publicKey}`)
}

/** Null when the body is not a request. */
export function parseEnrollRequest(text: string): EnrollRequest | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const { node_id, hostname, public_key, proof, token = null, ...rest } = value as Record<string, unknown>
  const isText = (member: unknown, max: number): member is string =>
    typeof member === 'string' && member.length > 0 && member.length <= max
  if (Object.keys(rest).length > 0) return null
  if (typeof node_id !== 'string' || !UUID.test(node_id)) return null
  if (typeof hostname !== 'string' || !HOSTNAME.test(hostname)) return null
  if (!isText(public_key, 1024) || !isText(proof, 256)) return null
  if (token !== null && !isText(token, TOKEN_LENGTH_MAX)) return null
  return { node_id, hostname, public_key, proof, token }
}

/** SHA-256 of the key, hex, or null when it is no P-256 key or the proof is not by it. */
function provenKey({ node_id, public_key, proof }: EnrollRequest): string | null {
  try {
    const key = createPublicKey(public_key)
    if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return null
    if (!verify('sha256', enrollmentProof(node_id, public_key), key, Buffer.from(proof, 'base64'))) return null
    return createHash('sha256')
      .update(key.export({ type: 'spki', format: 'der' }))
      .digest('hex')
  } catch {
    // Whatever the parser did not like, it is not a key.
    return null
  }
}

class StoredEnrollment implements Enrollment {
  readonly #options: EnrollmentOptions

  constructor(options: EnrollmentOptions) {
    this.#options = options
  }

  async enroll(request: EnrollRequest, ip: string): Promise<EnrollAnswer> {
    const key = provenKey(request)
    if (key === null) return { status: 'refused', reason: 'public key is not a P-256 key with a proof by it' }
    const known = await this.#find(request.node_id)
    if (known?.status === 'revoked') return { status: 'refused', reason: 'node is revoked' }
    if (known !== null && known.key_fingerprint === key && known.status === 'approved') {
      return this.#issue(known, known, request.public_key)
    }
    const isVouched = request.token !== null || (this.#options.autoApproveLoopback && isLoopback(ip))
    if (known !== null && known.key_fingerprint !== key && (!isVouched || (await this.#isHeld(known)))) {
      return { status: 'refused', reason: 'this node id belongs to another key' }
    }
    const asking: ClusterNode = {
      id: request.node_id,
      hostname: request.hostname,
      ip,
      status: 'pending',
      key_fingerprint: key,
      requested_at: known?.key_fingerprint === key ? known.requested_at : this.#seconds(),
      expires_at: null,
    }
    if (request.token !== null) {
      const refusal = await this.#options.tokens.consume(request.token)
      if (refusal !== null) return { status: 'refused', reason: refusal }
      return this.#issue(asking, known, request.public_key)
    }
    if (isVouched) return this.#issue(asking, known, request.public_key)
    return this.#wait(asking, known)
  }

  async checkNode(nodeId: string, certificate: X509Certificate): Promise<string | null> {
    const node = await this.#find(nodeId)
    if (node === null) return 'node is not enrolled'
    if (node.status === 'revoked') return 'node is revoked'
    if (node.status !== 'approved' || node.key_fingerprint !== keyFingerprint(certificate)) {
      return 'node is not enrolled'
    }
    return null
  }

  async renew(nodeId: string, certificate: X509Certificate): Promise<IssuedCertificate | null> {
    if ((await this.checkNode(nodeId, certificate)) !== null) return null
    const node = await this.#find(nodeId)
    const publicKey = certificate.publicKey.export({ type: 'spki', format: 'pem' }) as string
    const issued = this.#options.authority.issueNode(nodeId, publicKey)
    return node !== null && (await this.#admit(node, node, issued.expiresAt)) ? issued : null
  }

  async nodes({ size, after }: { readonly size: number; readonly after: string | null }): Promise<ClusterNode[]> {
    const page = after === null ? { size } : { size, after }
    const rows = await this.#options.records.list<ClusterNode>(COLLECTIONS.nodes, page)
    return rows.map(row => row.value)
  }

  async approve(id: string): Promise<ClusterNode | null> {
    const node = await this.#find(id)
    if (node === null || node.status !== 'pending') return node
    const approved: ClusterNode = { ...node, status: 'approved' }
    // It fetches its certificate with its next request; should it be gone for good, the admission ends by itself.
    const end = this.#options.clock.now() + this.#options.purgeDelaySeconds * 1000
    const isDone = await this.#options.records.putIf(COLLECTIONS.nodes, id, approved, node, end)
    return isDone ? approved : this.approve(id)
  }

  async revoke(id: string): Promise<ClusterNode | null> {
    const node = await this.#find(id)
    if (node === null || node.status === 'revoked') return node
    const revoked: ClusterNode = { ...node, status: 'revoked' }
    await this.#options.records.put(COLLECTIONS.nodes, id, revoked)
    await this.#countRevocation()
    return revoked
  }

  async isRevoked(id: string): Promise<boolean> {
    return (await this.#find(id))?.status === 'revoked'
  }

  async revocationCount(): Promise<number> {
    const stored = await this.#options.records.get<{ count: number }>(COLLECTIONS.revocations, 'count')
    return stored?.count ?? 0
  }

  async #countRevocation(): Promise<void> {
    const { records } = this.#options
    for (;;) {
      const stored = await records.get<{ count: number }>(COLLECTIONS.revocations, 'count')
      const next = { count: (stored?.count ?? 0) + 1 }
      if (await records.putIf(COLLECTIONS.revocations, 'count', next, stored)) return
    }
  }

  #find(id: string): Promise<ClusterNode | null> {
    return this.#options.records.get<ClusterNode>(COLLECTIONS.nodes, id)
  }

  #seconds(): number {
    return Math.floor(this.#options.clock.now() / 1000)
  }

  /** Until it has its first certificate: always. Then: while it is alive, so that a node whose disk was lost can join anew with its old id. */
  async #isHeld(node: ClusterNode): Promise<boolean> {
    if (node.status === 'pending' || node.expires_at === null) return true
    const seen = await this.#options.records.get<DataPlaneRecord>(COLLECTIONS.dataPlanes, node.id)
    return seen !== null && this.#seconds() - seen.last_seen < ALIVE_SECONDS
  }

  async #issue(node: ClusterNode, known: ClusterNode | null, publicKey: string): Promise<EnrollAnswer> {
    const issued = this.#options.authority.issueNode(node.id, publicKey)
    if (await this.#admit(node, known, issued.expiresAt)) {
      this.#options.logger.notice(`node ${node.id} (${node.hostname}, ${node.ip}) got a certificate`)
      return { status: 'issued', certificate: issued.certificate }
    }
    return { status: 'refused', reason: 'the node changed meanwhile, try again' }
  }

  /** Only if nobody changed (revoked) the node since it was read. */
  #admit(node: ClusterNode, known: ClusterNode | null, expiresAt: number): Promise<boolean> {
    const admitted: ClusterNode = { ...node, status: 'approved', expires_at: Math.floor(expiresAt / 1000) }
    const end = expiresAt + this.#options.purgeDelaySeconds * 1000
    return this.#options.records.putIf(COLLECTIONS.nodes, node.id, admitted, known, end)
  }

  async #wait(asking: ClusterNode, known: ClusterNode | null): Promise<EnrollAnswer> {
    const { records, clock, logger } = this.#options
    if (known?.status !== 'pending') {
      const nodes = await records.list<ClusterNode>(COLLECTIONS.nodes, { size: 1000 })
      const pending = nodes.filter(({ value }) => value.status === 'pending').length
      if (pending >= PENDING_MAX) return { status: 'refused', reason: 'too many nodes are waiting for approval' }
      logger.notice(`node ${asking.id} (${asking.hostname}, ${asking.ip}) waits for approval`, {
        key_fingerprint: asking.key_fingerprint,
        ca_fingerprint: this.#options.authority.fingerprint,
      })
    }
    await records.putIf(COLLECTIONS.nodes, asking.id, asking, known, clock.now() + PENDING_MS)
    return { status: 'pending', key_fingerprint: asking.key_fingerprint }
  }
}
