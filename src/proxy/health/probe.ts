/** One active check of one peer: connects, and for http asks once. What came of it is an event, or nothing that counts. */
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type SecureContext } from 'node:tls'
import type { Clock, Timer } from '../../base/clock.ts'
import type { ActiveRules } from './health-rules.ts'
import type { PeerEvent, PeerIdentity } from './peer-state.ts'

export interface ProbeOptions {
  readonly rules: ActiveRules
  /** `host_header` of the upstream. */
  readonly hostHeader: string | null
  readonly secureContext: SecureContext | null
  readonly clock: Clock
}

/** A status line longer than this is none. */
const STATUS_LINE_BYTES_MAX = 4096

/** By http, https or tcp. */
export function probeSocket(peer: PeerIdentity, options: ProbeOptions): Promise<PeerEvent | null> {
  return new Promise(resolve => new Probe(peer, options, resolve))
}

class Probe {
  readonly #peer: PeerIdentity
  readonly #options: ProbeOptions
  readonly #resolve: (event: PeerEvent | null) => void
  readonly #socket: Socket
  #timer: Timer
  #line = ''

  constructor(peer: PeerIdentity, options: ProbeOptions, resolve: (event: PeerEvent | null) => void) {
    this.#peer = peer
    this.#options = options
    this.#resolve = resolve
    const { type } = options.rules
    const isTls = type === 'https'
    this.#timer = this.#deadline('timeout')
    this.#socket = isTls ? this.#connectTls() : connectPlain({ host: peer.ip, port: peer.port })
    this.#socket.once('connect', () => (isTls ? this.#wait('tcp_failure') : this.#connected()))
    this.#socket.once('secureConnect', () => this.#connected())
    this.#socket.on('data', (bytes: Buffer) => this.#read(bytes))
    // Refused, reset, a handshake that failed, or closed before the status line was there.
    this.#socket.once('error', () => this.#end('tcp_failure'))
    this.#socket.once('close', () => this.#end('tcp_failure'))
  }

  #connectTls(): Socket {
    const { hostname, ip, port } = this.#peer
    return connectTls({ host: ip, port, ...tlsOptionsOf(hostname, this.#options) })
  }

  #connected(): void {
    const { rules, hostHeader } = this.#options
    if (rules.type === 'tcp') return this.#end('success')
    this.#wait('timeout')
    const host = hostHeader ?? this.#peer.hostname
    const lines = Object.entries(rules.headers).flatMap(([name, values]) =>
      values.map(value => `${name}: ${value}\r\n`),
    )
    this.#socket.write(
      `GET ${rules.path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${lines.join('')}\r\n`,
      'latin1',
    )
  }

  #read(bytes: Buffer): void {
    this.#line += bytes.toString('latin1')
    const end = this.#line.indexOf('\n')
    if (end === -1 && this.#line.length < STATUS_LINE_BYTES_MAX) return
    const match = /^HTTP\/\d+\.\d+\s+(\d+)/i.exec(this.#line)
    this.#end(this.#options.rules.statusEvent(match === null ? 0 : Number(match[1])))
  }

  /** Each step has the whole timeout. A handshake that takes longer counts as a connection that failed. */
  #wait(event: PeerEvent): void {
    this.#timer.cancel()
    this.#timer = this.#deadline(event)
  }
  #deadline(event: PeerEvent): Timer {
    return this.#options.clock.after(this.#options.rules.timeoutMs, () => this.#end(event))
  }

  #end(event: PeerEvent | null): void {
    this.#timer.cancel()
    this.#socket.destroy()
    this.#resolve(event)
  }
}

/** Name and trust of a TLS connection to a peer. */
export function tlsOptionsOf(hostname: string, { rules, hostHeader, secureContext }: ProbeOptions): ConnectionOptions {
  const name = hostnameOf(rules.sni ?? hostHeader ?? hostname)
  return {
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(secureContext === null ? {} : { secureContext }),
    rejectUnauthorized: rules.verifiesCertificate,
  }
}

/** Without port, and without brackets. */
function hostnameOf(host: string): string {
  if (host.startsWith('[')) return host.slice(1, host.indexOf(']'))
  return isIP(host) === 6 ? host : host.replace(/:\d+$/, '')
}
