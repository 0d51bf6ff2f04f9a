/** Who asks, and whether they may: by token, by client certificate, or anybody where the listener is the boundary. */
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import { type AdminTokens, hashSecret, isSameSecret, type Role } from './admin-tokens.ts'
import { message, type Reply } from './reply.ts'
import { TokenBuckets } from './token-bucket.ts'

/** Who does something, as the audit log names them. */
export interface Actor {
  readonly kind: 'anonymous' | 'token' | 'certificate'
  /** Of the token or the certificate; `admin_token` for the one of the settings. */
  readonly name: string | null
  /** Of the token. */
  readonly id: string | null
  readonly role: Role
}

export interface AccessOptions {
  /** Null: nobody is asked (`admin_auth = off`). */
  readonly auth: {
    /** Of the settings. */
    readonly token: string | null
    readonly acceptsCertificates: boolean
    readonly readOnlyClients: readonly string[]
  } | null
  /** Per client address and second; 0 is no limit. */
  readonly rateLimit: number
  readonly tokens: AdminTokens
  readonly clock: Clock
}

export interface Access {
  /** The actor, or the answer that refuses. */
  admit(request: IncomingMessage): Promise<{ readonly actor: Actor } | { readonly refusal: Reply }>
}

const ANYBODY: Actor = { kind: 'anonymous', name: null, id: null, role: 'admin' }
/** One who has lost a token may try again at once; a machine that guesses may not. */
const FAILURES_PER_SECOND = 1
const FAILURES_BURST = 20
/**
 * Guesses at the token of the settings that are looked at, from an address that is held off: whoever shares it with a
 * guesser is let in, and yet nobody can try words by the thousand. Other tokens are too long to be guessed.
 */
const GUESSES_PER_SECOND = 20
const RATE_BURST_SECONDS = 10
const READING_METHODS = ['GET', 'HEAD', 'OPTIONS']

export function createAccess({ auth, rateLimit, tokens, clock }: AccessOptions): Access {
  const rates =
    rateLimit === 0
      ? null
      : new TokenBuckets({ clock, perSecond: rateLimit, burst: Math.max(1, rateLimit * RATE_BURST_SECONDS) })
  const failures = new TokenBuckets({ clock, perSecond: FAILURES_PER_SECOND, burst: FAILURES_BURST })
  const guesses = new TokenBuckets({ clock, perSecond: GUESSES_PER_SECOND, burst: GUESSES_PER_SECOND })
  const staticHash = auth?.token == null ? null : hashSecret(auth.token)

  async function actorOf(request: IncomingMessage, address: string): Promise<Actor | null> {
    const token = bearerToken(request)
    if (token === null) return auth!.acceptsCertificates ? certificateActor(request, auth!.readOnlyClients) : null
    const known = await tokens.verify(token)
    if (known !== null) return { kind: 'token', name: known.name, id: known.id, role: known.role }
    if (staticHash === null || (failures.wait(address) > 0 && guesses.take(address) > 0)) return null
    const isRight = isSameSecret(hashSecret(token), staticHash)
    return isRight ? { kind: 'token', name: 'admin_token', id: null, role: 'admin' } : null
  }

  async function admit(request: IncomingMessage) {
    const address = request.socket.remoteAddress ?? 'unix:'
    const seconds = rates?.take(address) ?? 0
    if (seconds > 0) return { refusal: tooMany(seconds, 'API rate limit exceeded') }
    // A browser asks first whether it may ask, and cannot say who it is; the answer tells nothing.
    if (auth === null || request.method === 'OPTIONS') return { actor: ANYBODY }
    const actor = await actorOf(request, address)
    if (actor === null) {
      // Only wrong ones are held off: others behind the same address have done nothing.
      const pause = failures.take(address)
      return { refusal: pause > 0 ? tooMany(pause, 'too many requests with wrong credentials') : unauthorized(request) }
    }
    const mayDo = actor.role === 'admin' || READING_METHODS.includes(request.method ?? 'GET')
    return mayDo ? { actor } : { refusal: message(403, `'${actor.name}' may only read (role read-only)`) }
  }
  return { admit }
}

/** `Authorization: Bearer`, or the header that tools for Kong know how to send. */
function bearerToken({ headers }: IncomingMessage): string | null {
  const scheme = /^Bearer +([!-~]{1,512})$/i.exec(headers.authorization ?? '')
  if (scheme !== null) return scheme[1]!
  const own = headers['kong-admin-token']
  return typeof own === 'string' && own !== '' ? own : null
}

/** The handshake asks for a certificate and verifies it, but does not insist: whoever has none may have a token. */
function certificateActor({ socket }: IncomingMessage, readOnly: readonly string[]): Actor | null {
  const tls = socket as Partial<TLSSocket>
  if (tls.authorized !== true || tls.getPeerCertificate === undefined) return null
  const name = tls.getPeerCertificate().subject?.CN
  if (typeof name !== 'string' || name === '') return null
  return { kind: 'certificate', name, id: null, role: readOnly.includes(name) ? 'read-only' : 'admin' }
}

function unauthorized(request: IncomingMessage): Reply {
  const hasToken = request.headers.authorization !== undefined || request.headers['kong-admin-token'] !== undefined
  const text = hasToken
    ? 'Unauthorized: the token is unknown or has expired'
    : "Unauthorized: a token is required, as 'Authorization: Bearer <token>'"
  return { ...message(401, text), headers: { 'WWW-Authenticate': 'Bearer realm="admin"' } }
}

function tooMany(seconds: number, text: string): Reply {
  return { ...message(429, `${text}; try again in ${seconds} s`), headers: { 'Retry-After': String(seconds) } }
}
