/**
 * How a data plane without a certificate gets one.
 *
 * Before it says anything it must know the cluster's authority: from its settings, from an earlier contact, by the
 * fingerprint in its join token, or, on loopback, by taking the first it sees. Without any of these, to another
 * machine, it also takes the first it sees, and logs the fingerprint: whoever approves the node must compare it, for
 * somebody in the middle could show his own.
 */
import { createHash, createPrivateKey, sign, X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import type { Socket } from 'node:net'
import type { ConnectionOptions, DetailedPeerCertificate } from 'node:tls'
import type { Logger } from '../base/logger.ts'
import { CLUSTER_SERVER_NAME } from './authority.ts'
import { type EnrollAnswer, enrollmentProof } from './enrollment.ts'
import { parseJoinToken } from './join-tokens.ts'
import { ENROLL_PATH } from './messages.ts'
import { type IdentityStore, isOwn } from './node-identity.ts'
import { connectOver, type Endpoint, type Tunnel } from './proxy-tunnel.ts'

export interface EnrollOptions {
  readonly endpoint: Endpoint
  readonly identity: IdentityStore
  readonly node: { readonly node_id: string; readonly hostname: string }
  readonly token: string | null
  /** Certificate of the authority, if it is configured. */
  readonly ca: string | null
  /** The way to the control plane through a proxy; null is the direct one. */
  readonly tunnel: Tunnel | null
  readonly logger: Logger
}

export type EnrollOutcome =
  | { readonly status: 'issued' }
  | { readonly status: 'pending' }
  | { readonly status: 'refused'; readonly reason: string }

const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 32 * 1024

/** Rejects when the control plane cannot be reached or trusted. */
export async function enroll(options: EnrollOptions): Promise<EnrollOutcome> {
  const { identity, node, token, logger } = options
  const ca = await findAuthority(options)
  const { privateKey, publicKey } = identity.read()
  const proof = sign('sha256', enrollmentProof(node.node_id, publicKey), createPrivateKey(privateKey))
  const { node_id, hostname } = node
  const body = JSON.stringify({ node_id, hostname, public_key: publicKey, proof: proof.toString('base64'), token })
  const answer = await post(options.endpoint, { ca, body, tunnel: await tunnelTo(options) })
  if (answer.status === 'refused') return { status: 'refused', reason: String(answer.reason) }
  if (answer.status === 'pending') {
    logger.notice('this node waits for approval (kong hybrid approve)', {
      node_id,
      key_fingerprint: answer.key_fingerprint,
      ca_fingerprint: fingerprintOf(ca),
    })
    return { status: 'pending' }
  }
  if (!isOwn(answer.certificate, { publicKey })) throw new Error('control plane issued a certificate for another key')
  if (!new X509Certificate(answer.certificate).verify(new X509Certificate(ca).publicKey)) {
    throw new Error('control plane issued a certificate of another authority')
  }
  identity.saveAdmission(ca, answer.certificate)
  logger.notice('this node got its cluster certificate', { node_id, ca_fingerprint: fingerprintOf(ca) })
  return { status: 'issued' }
}

/** True when the token pins another authority than the one trusted so far: the cluster was set up anew. */
export function pinsAnotherAuthority(token: string | null, ca: string | null): boolean {
  const pin = token === null ? null : parseJoinToken(token)
  return pin !== null && ca !== null && pin.authorityFingerprint !== fingerprintOf(ca)
}

/** A connection of its own for each of the two exchanges. */
async function tunnelTo({ tunnel, endpoint }: EnrollOptions): Promise<Socket | null> {
  return tunnel === null ? null : tunnel(endpoint)
}

async function findAuthority(options: EnrollOptions): Promise<string> {
  const { endpoint, identity, token, ca, logger } = options
  if (ca !== null) return ca
  const pin = token === null ? null : parseJoinToken(token)
  if (token !== null && pin === null) throw new Error('the join token is malformed')
  const known = identity.read().ca
  if (known !== null && !pinsAnotherAuthority(token, known)) return known
  const { certificate, isLocal } = await showAuthority(endpoint, await tunnelTo(options))
  const fingerprint = fingerprintOf(certificate)
  if (pin !== null && pin.authorityFingerprint !== fingerprint) {
    throw new Error(`the control plane has the CA ${fingerprint}, the join token says ${pin.authorityFingerprint}`)
  }
  if (pin === null) {
    const message = `trusting the cluster CA that ${endpoint.host} shows, for there is no join token`
    if (isLocal) logger.notice(message, { ca_fingerprint: fingerprint })
    else logger.warn(`${message}; compare its fingerprint before you approve`, { ca_fingerprint: fingerprint })
  }
  return certificate
}

/** Shakes hands without trusting, to see the last certificate of the chain; says nothing. */
function showAuthority(
  { host, port }: Endpoint,
  tunnel: Socket | null,
): Promise<{ certificate: string; isLocal: boolean }> {
  return new Promise((resolve, reject) => {
    const options = { host, port, servername: CLUSTER_SERVER_NAME, rejectUnauthorized: false, timeout: TIMEOUT_MS }
    const socket = connectOver(tunnel, options)
    socket.on('timeout', () => socket.destroy(new Error('control plane does not answer')))
    socket.on('error', reject)
    socket.once('secureConnect', () => {
      let last: DetailedPeerCertificate = socket.getPeerCertificate(true)
      // The root is its own issuer.
      while (last.issuerCertificate !== undefined && last.issuerCertificate !== last) last = last.issuerCertificate
      // Behind a proxy anybody may be.
      const isLocal = tunnel === null && /^(::ffff:)?127\.|^::1$/.test(socket.remoteAddress ?? '')
      socket.destroy()
      if (last.raw === undefined) return reject(new Error('control plane shows no certificate'))
      resolve({ certificate: new X509Certificate(last.raw).toString(), isLocal })
    })
  })
}

interface Posting {
  readonly ca: string
  readonly body: string
  readonly tunnel: Socket | null
}

function post({ host, port }: Endpoint, { ca, body, tunnel }: Posting): Promise<EnrollAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host,
        port,
        path: ENROLL_PATH,
        method: 'POST',
        ca,
        servername: CLUSTER_SERVER_NAME,
        timeout: TIMEOUT_MS,
        agent: false,
        ...(tunnel === null ? {} : { createConnection: to => connectOver(tunnel, to as ConnectionOptions) }),
      },
      async response => {
        try {
          let text = ''
          for await (const piece of response) {
            text += piece
            if (text.length > ANSWER_BYTES_MAX) throw new Error('answer to the enrolment is too large')
          }
          if (![200, 202, 403].includes(response.statusCode!)) {
            throw new Error(`control plane answered the enrolment with ${response.statusCode}`)
          }
          resolve(JSON.parse(text))
        } catch (error) {
          outgoing.destroy()
          reject(error)
        }
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error('control plane does not answer')))
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

function fingerprintOf(certificate: string): string {
  return createHash('sha256').update(new X509Certificate(certificate).raw).digest('hex')
}
