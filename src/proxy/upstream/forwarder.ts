/**
 * Takes an exchange to an upstream and its answer back: picks a peer, sends, streams both ways, tries again.
 *
 * Backpressure is mutual: whoever cannot be written to makes the other one pause, so memory stays constant.
 */
import type { Peer, PeerOutcome, Pick, PickFailure } from '../balancer/balancer.ts'
import type { UpstreamTlsOptions } from '../compiled.ts'
import type { Exchange } from '../exchange.ts'
import type { FailureCode } from '../errors.ts'
import { bodilessFraming, buildUpstreamHead } from '../http/upstream-request-head.ts'
import { chunkHead, chunkTail, joinBytes } from '../http/joined-bytes.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { AnswerSpool } from './answer-spool.ts'
import { Connector } from './connect.ts'
import { ConnectionPool } from './connection-pool.ts'
import { failureCodeOf, mayRetry, outcomeOf } from './retry.ts'
import { Http2Pool } from './http2-pool.ts'
import { Http2UpstreamConnection } from './http2-upstream-connection.ts'
import { Http2UpstreamStream } from './http2-upstream-stream.ts'
import { type ConnectionConsumer, UpstreamConnection } from './upstream-connection.ts'
import type { UpstreamFailure, UpstreamSide } from './upstream-side.ts'

/** How the forwarder reports back; the pipeline implements it. */
export interface ForwardingSink {
  /** The final head has come. Sets `pendingHead`; false if the answer was ended another way meanwhile. */
  answerHead(exchange: Exchange, connection: UpstreamSide): boolean
  answerBytes(exchange: Exchange, bytes: Buffer, from: number, to: number, isLast: boolean): boolean
  interimHead(exchange: Exchange, connection: UpstreamSide): void
  switchedProtocols(exchange: Exchange, connection: UpstreamSide): void
  failed(exchange: Exchange, code: FailureCode): void
  tunnelEnded(exchange: Exchange): void
}

type Connection = UpstreamSide

const NOTHING = Buffer.alloc(0)

export class Forwarder implements ConnectionConsumer<Exchange> {
  readonly #context: ProxyContext
  readonly #sink: ForwardingSink
  readonly #pool: ConnectionPool<Exchange>
  readonly #connector: Connector<Exchange>
  /** All, busy and idle, for `close`. */
  readonly #open = new Set<UpstreamConnection<Exchange>>()
  readonly #http2 = new Http2Pool<Exchange>()

  constructor(context: ProxyContext, sink: ForwardingSink) {
    this.#context = context
    this.#sink = sink
    this.#pool = new ConnectionPool(context.settings.keepalive, context.deadlines)
    this.#connector = new Connector(context, this)
  }

  /** Access is granted: on to the upstream, once as much of the body is here as the route wants. */
  start(exchange: Exchange): void {
    exchange.triesLeft = exchange.matchedRoute!.service!.retries
    const { body } = exchange
    if (body !== null && !body.isComplete) {
      if (this.#isBuffered(exchange)) body.spoolTo(this.#context.settings.bodyFolder)
      exchange.client.readBody()
      if (exchange.isOver) return
      if (this.#waitsForBody(exchange)) {
        exchange.awaitsBody = true
        return
      }
    }
    this.#pickPeer(exchange)
  }

  /** A replaced body must not go out while the client still sends the original. */
  #waitsForBody(exchange: Exchange): boolean {
    const body = exchange.body!
    if (body.isComplete) return false
    return this.#isBuffered(exchange) && !body.isFull && exchange.upstreamEdits?.editedBody == null
  }

  /** Calls over HTTP/2 may be conversations: their bodies never wait for their ends. */
  #isBuffered({ matchedRoute }: Exchange): boolean {
    return matchedRoute!.requestBuffering && !matchedRoute!.service!.http2
  }

  /** More of the request body: held until there is somebody to send it to. */
  bodyArrived(exchange: Exchange, bytes: Buffer, from: number, to: number): void {
    const body = exchange.body!
    if (body.mode === 'stream') return this.#streamBody(exchange, bytes, from, to)
    if (body.mode === 'discard') return
    try {
      body.hold(bytes, from, to)
    } catch (error) {
      this.#context.log.crit('a request body could not be buffered', { message: String(error) })
      return this.#sink.failed(exchange, 'internal')
    }
    if (body.isFull && !body.isComplete) exchange.client.pauseBody()
    if (exchange.awaitsBody && !this.#waitsForBody(exchange)) {
      exchange.awaitsBody = false
      this.#pickPeer(exchange)
    }
  }

  #streamBody(exchange: Exchange, bytes: Buffer, from: number, to: number): void {
    const body = exchange.body!
    const upstream = exchange.upstream!
    if (from === to && !body.isComplete) return
    if (body.isReplayable) body.release()
    const isChunked = body.isChunked && !upstream.isHttp2
    const head = isChunked ? chunkHead(from, to) : ''
    const tail = isChunked ? chunkTail(from, to, body.isComplete, body.trailers) : ''
    const goesOn = this.#writePiece(upstream, head, bytes, from, to, tail)
    if (upstream instanceof Http2UpstreamStream && body.isComplete) upstream.endBody(body.trailers)
    if (body.isComplete) upstream.expectAnswer()
    else if (!goesOn) exchange.client.pauseBody()
  }

  #writePiece(upstream: Connection, head: string, bytes: Buffer, from: number, to: number, tail: string): boolean {
    if (upstream instanceof UpstreamConnection) return upstream.writePiece(head, bytes, from, to, tail)
    return upstream.write(joinBytes(head, bytes, from, to, tail))
  }

  #pickPeer(exchange: Exchange): void {
    const { balancer } = exchange.matchedRoute!.service!
    const picked = balancer.pick(exchange, exchange)
    if (!(picked instanceof Promise)) return this.#connect(exchange, picked)
    picked.then(
      pick => this.#connect(exchange, pick),
      error => {
        this.#context.log.error('balancer failed', { message: String(error) })
        if (!exchange.isOver) this.#sink.failed(exchange, 'internal')
      },
    )
  }

  #connect(exchange: Exchange, pick: Pick | PickFailure): void {
    const { service, preserveHost } = exchange.matchedRoute!
    if ('failure' in pick) {
      if (exchange.isOver) return
      // A retry that finds nobody else ends with the failure of the try before.
      return this.#sink.failed(exchange, exchange.lastFailure ?? pick.failure)
    }
    if (exchange.isOver) return service!.balancer.release(pick, { kind: 'aborted' })
    const { peer } = pick
    exchange.pick = pick
    exchange.peer = peer
    exchange.isProxied = true
    exchange.triedAt = this.#context.clock.now()
    const tls = service!.tlsOptions
    const host =
      tls === null
        ? ''
        : preserveHost && exchange.head.host !== ''
          ? exchange.head.hostname
          : hostnameOf(pick.hostHeader)
    const key = tls === null ? peer.key : `${peer.key}|${host}|${tls.poolKey}`
    const connection = service!.http2
      ? this.#http2.take(key, exchange, () => this.#openHttp2(key, peer, tls, host))
      : (this.#pool.take(key) ?? this.#opened(this.#connector.open(key, peer, tls, host)))
    exchange.upstream = connection
    connection.assign(exchange, service!.connectTimeoutMs)
    if (!connection.isConnecting) this.#send(exchange, connection, exchange.triedAt)
  }

  #openHttp2(key: string, peer: Peer, tls: UpstreamTlsOptions | null, host: string): Http2UpstreamConnection<Exchange> {
    const { keepalive } = this.#context.settings
    return new Http2UpstreamConnection(this.#connector.http2Socket(peer, tls, host), {
      key,
      isTls: tls !== null,
      deadlines: this.#context.deadlines,
      consumer: this,
      requestsMax: keepalive.requestsMax,
      idleTimeoutMs: keepalive.poolSize === 0 ? 0 : keepalive.idleTimeoutS * 1000,
      log: reason => this.#context.log.error(`upstream broke HTTP/2: ${reason}`, { peer: peer.key }),
      closed: connection => this.#http2.forget(connection),
    })
  }

  #opened(connection: UpstreamConnection<Exchange>): UpstreamConnection<Exchange> {
    this.#open.add(connection)
    return connection
  }

  connected(exchange: Exchange, connection: Connection): void {
    this.#send(exchange, connection, this.#context.clock.now())
  }

  #send(exchange: Exchange, connection: Connection, now: number): void {
    const { service, preserveHost } = exchange.matchedRoute!
    exchange.sentAt = now
    const { head, body } = exchange
    const host = preserveHost && head.host !== '' ? head.host : exchange.pick!.hostHeader
    const isHead = head.method === 'HEAD' || exchange.upstreamEdits?.editedMethod === 'HEAD'
    connection.begin(isHead, service!.readTimeoutMs, service!.writeTimeoutMs)
    if (connection instanceof Http2UpstreamStream) return this.#sendHttp2(exchange, connection, host)
    const edited = exchange.upstreamEdits?.editedBody ?? null
    if (edited !== null) {
      const text = buildUpstreamHead(exchange, host, `Content-Length: ${edited.length}\r\n`)
      connection.write(joinBytes(text, edited, 0, edited.length, ''))
      if (body !== null && !body.isComplete) body.mode = 'discard'
    } else if (body === null)
      connection.write(
        buildUpstreamHead(exchange, host, bodilessFraming(exchange.upstreamEdits?.method ?? head.method)),
      )
    else this.#sendBody(exchange, connection, host)
  }

  #sendHttp2(exchange: Exchange, stream: Http2UpstreamStream<Exchange>, host: string): void {
    const { body } = exchange
    const edited = exchange.upstreamEdits?.editedBody ?? null
    const isWhole = edited !== null || body === null || body.isComplete
    const held = edited ?? body?.whole() ?? NOTHING
    const length = isWhole ? held.length : body.declaredLength
    const framing = length > 0 ? `Content-Length: ${length}\r\n` : ''
    stream.sendHead(buildUpstreamHead(exchange, host, framing), isWhole && held.length === 0 && body?.trailers == null)
    if (held.length > 0) stream.sendBody(held, 0, held.length)
    if (isWhole) stream.endBody(body?.trailers ?? null)
    if (body === null || body.isComplete) return
    body.mode = edited === null ? 'stream' : 'discard'
    exchange.client.readBody()
  }

  #sendBody(exchange: Exchange, connection: Connection, host: string): void {
    const body = exchange.body!
    const held = body.lentWhole()
    if (body.isComplete || !body.isChunked) {
      const length = body.isComplete ? held.length + body.spooledBytes : body.declaredLength
      const text = buildUpstreamHead(exchange, host, `Content-Length: ${length}\r\n`)
      this.#writePiece(connection, text, held, 0, held.length, '')
    } else {
      const text = buildUpstreamHead(exchange, host, 'Transfer-Encoding: chunked\r\n')
      const head = text + chunkHead(0, held.length)
      this.#writePiece(connection, head, held, 0, held.length, chunkTail(0, held.length))
    }
    body.spoolSent = 0
    if (body.spooledBytes > 0) this.#sendSpooled(exchange, connection)
    if (body.isComplete) return
    body.mode = 'stream'
    exchange.client.readBody()
  }

  /** As much of the gathered body as the peer takes; `drained` goes on. */
  #sendSpooled(exchange: Exchange, connection: Connection): void {
    try {
      for (;;) {
        const piece = exchange.body!.nextSpooled()
        if (piece === null) return connection.expectAnswer()
        if (!this.#writePiece(connection, '', piece, 0, piece.length, '')) return
      }
    } catch (error) {
      this.#context.log.crit('a buffered request body could not be read', { message: String(error) })
      this.#sink.failed(exchange, 'internal')
    }
  }

  interim(exchange: Exchange, connection: Connection): void {
    const { status } = connection.head
    if (status === 101) {
      if (exchange.head.upgradesToWebsocket) {
        connection.becomeTunnel()
        this.#sink.switchedProtocols(exchange, connection)
      } else {
        connection.destroy()
        this.#upstreamFailed(exchange, connection, 'invalid_response', 'protocol switch that nobody asked for')
      }
    } else if (status !== 100 && exchange.head.minor === 1) this.#sink.interimHead(exchange, connection)
  }

  head(exchange: Exchange, connection: Connection): void {
    exchange.answeredAt = this.#context.clock.now()
    exchange.status = exchange.upstreamStatus = connection.head.status
    if (!this.#sink.answerHead(exchange, connection)) connection.destroy()
  }

  readEnd(exchange: Exchange): void {
    this.#sink.answerBytes(exchange, NOTHING, 0, 0, false)
  }

  payload(exchange: Exchange, connection: Connection, bytes: Buffer, from: number, to: number, isLast: boolean): void {
    if (isLast) {
      exchange.answerTrailers = connection.trailers
      this.#releaseAfterAnswer(exchange, connection)
    }
    const spool = exchange.answerSpool
    if (spool !== null) this.#keep(exchange, spool, connection, bytes, from, to, isLast)
    else if (!this.#sink.answerBytes(exchange, bytes, from, to, isLast) && !isLast)
      this.#clientIsFull(exchange, connection)
  }

  /** From here on the answer is kept for the client, or its upstream waits. */
  #clientIsFull(exchange: Exchange, connection: Connection): void {
    if (exchange.isOver) return
    const { responseBuffering, service } = exchange.matchedRoute!
    if (!responseBuffering || service!.http2) connection.pause()
    else exchange.answerSpool = new AnswerSpool(this.#context.settings.bodyFolder)
  }

  #keep(
    exchange: Exchange,
    spool: AnswerSpool,
    connection: Connection,
    bytes: Buffer,
    from: number,
    to: number,
    isLast: boolean,
  ): void {
    try {
      if (from < to) spool.add(bytes, from, to)
    } catch (error) {
      return this.#spoolFailed(exchange, error)
    }
    if (isLast) spool.isComplete = true
    else if (spool.isFull) connection.pause()
  }

  /** As much of what was kept as the client takes; its next `drain` goes on. */
  #sendKept(exchange: Exchange, spool: AnswerSpool): void {
    try {
      for (let bytes = spool.take(); bytes !== null; bytes = spool.take()) {
        const isLast = spool.isComplete && spool.isEmpty
        if (isLast) exchange.answerSpool = null
        const goesOn = this.#sink.answerBytes(exchange, bytes, 0, bytes.length, isLast)
        if (isLast) spool.close()
        if (!goesOn || isLast || exchange.isOver) return
      }
    } catch (error) {
      return this.#spoolFailed(exchange, error)
    }
    exchange.answerSpool = null
    if (spool.isComplete) this.#sink.answerBytes(exchange, NOTHING, 0, 0, true)
    else exchange.upstream?.resume()
  }

  #spoolFailed(exchange: Exchange, error: unknown): void {
    this.#context.log.crit('an answer could not be buffered', { message: String(error), request_id: exchange.id })
    this.#sink.failed(exchange, 'internal')
  }

  #releaseAfterAnswer(exchange: Exchange, connection: Connection): void {
    const { body, matchedRoute, pick } = exchange
    exchange.upstream = null
    matchedRoute!.service!.balancer.release(pick!, {
      kind: 'answered',
      status: exchange.upstreamStatus,
      // To the last byte, and from before connecting: what Kong's balancer goes by.
      latencyMs: this.#context.clock.now() - exchange.triedAt,
    })
    exchange.pick = null
    const isWhole = body === null || body.isComplete || body.mode === 'discard'
    const isSent = isWhole && (body === null || body.spoolSent === body.spooledBytes)
    if (body !== null && !body.isComplete) body.mode = 'discard'
    if (connection instanceof Http2UpstreamStream) connection.release()
    else if (!(connection instanceof UpstreamConnection)) connection.destroy()
    else if (connection.head.keepAlive && isSent && connection.isDrained) this.#pool.give(connection)
    else connection.destroy()
  }

  /** The client can take more of the answer again. */
  clientDrained(exchange: Exchange): void {
    if (exchange.answerSpool !== null) this.#sendKept(exchange, exchange.answerSpool)
    else exchange.upstream?.resume()
  }

  drained(exchange: Exchange, connection: Connection): void {
    const { body } = exchange
    if (exchange.isTunnel) {
      connection.expectAnswer()
      exchange.client.readBody()
    } else if (body !== null && body.isComplete && body.spoolSent < body.spooledBytes) {
      this.#sendSpooled(exchange, connection)
    } else if (body !== null && !body.isComplete && body.mode === 'stream') {
      connection.deadline = 0
      exchange.client.readBody()
    } else if (connection.hasAnswered || body === null || body.isComplete) connection.expectAnswer()
  }

  tunnelled(exchange: Exchange, connection: Connection, bytes: Buffer, from: number, to: number): void {
    if (!exchange.client.write('', bytes, from, to, '')) connection.pause()
  }

  tunnelEnded(exchange: Exchange): void {
    this.#sink.tunnelEnded(exchange)
  }

  failed(exchange: Exchange, connection: Connection, failure: UpstreamFailure, reason: string): void {
    this.#upstreamFailed(exchange, connection, failure, reason)
  }

  #upstreamFailed(exchange: Exchange, connection: Connection, failure: UpstreamFailure, reason: string): void {
    if (exchange.isOver) return
    const peer = exchange.pick?.peer
    this.#context.log.error(`upstream ${failure}: ${reason}`, { peer: peer?.key ?? '', request_id: exchange.id })
    const wasStale = connection.isReused && failure === 'closed' && !connection.hasAnswered
    this.#releasePick(exchange, outcomeOf(failure))
    exchange.upstream = null
    if (exchange.status !== 0) return this.#sink.failed(exchange, 'upstream_invalid')
    exchange.noteFailedTry(failureCodeOf(failure))
    if (!mayRetry(exchange, failure, wasStale)) return this.#sink.failed(exchange, exchange.lastFailure!)
    if (wasStale) exchange.hasMetStaleConnection = true
    else {
      exchange.failed = [...exchange.failed, peer!]
      exchange.triesLeft--
    }
    const { body } = exchange
    if (body !== null && body.mode === 'stream') body.mode = 'hold'
    this.#pickPeer(exchange)
  }

  #releasePick(exchange: Exchange, outcome: PeerOutcome): void {
    const { pick } = exchange
    if (pick === null) return
    exchange.pick = null
    exchange.matchedRoute!.service!.balancer.release(pick, outcome)
  }

  /** The exchange ends before its answer did: the client went away, or something else answered. */
  abort(exchange: Exchange): void {
    const { upstream } = exchange
    exchange.upstream = null
    upstream?.destroy()
    this.#releasePick(exchange, { kind: 'aborted' })
  }

  closed(connection: UpstreamConnection<Exchange>): void {
    this.#open.delete(connection)
    this.#pool.forget(connection)
  }

  get idleConnections(): number {
    return this.#pool.size + this.#http2.size
  }

  close(): void {
    for (const connection of [...this.#open]) connection.destroy()
    this.#http2.close()
  }
}

/** The name in a Host header value, for SNI. */
function hostnameOf(host: string): string {
  const end = host.startsWith('[') ? host.indexOf(']') + 1 : host.indexOf(':')
  return end <= 0 ? host : host.slice(0, end)
}
