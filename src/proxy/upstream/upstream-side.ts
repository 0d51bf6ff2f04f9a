/** What an exchange needs of the upstream it is sent to: a connection of its own, or one stream of a shared one. */
import type { TrailerSection } from '../http/chunked-decoder.ts'
import type { ResponseHead } from '../http/response-head.ts'

/**
 * `exhausted`: this machine has no descriptor, port or memory left for a connection; no fault of the peer.
 * `refused`: the peer says that nothing has come of the request (RFC 9113 section 8.7).
 */
export type UpstreamFailure =
  | 'connect_failed'
  | 'connect_timed_out'
  | 'closed'
  | 'timed_out'
  | 'invalid_response'
  | 'exhausted'
  | 'refused'

export interface UpstreamSide {
  /** Bodies need no chunks: their end is told by `endBody`. */
  readonly isHttp2: boolean
  readonly head: ResponseHead
  readonly trailers: TrailerSection | null
  readonly isConnecting: boolean
  /** Served others before: it may have gone stale. */
  readonly isReused: boolean
  /** Any byte of the response to the current request has come. */
  readonly hasAnswered: boolean
  /** Nothing that was written still waits. */
  readonly isDrained: boolean
  deadline: number
  /** From here on a response is expected. */
  begin(isHeadRequest: boolean, readTimeoutMs: number, writeTimeoutMs: number): void
  /** Writes text, or bytes that the caller will not touch again. False when no more should be written for now. */
  write(data: string | Buffer): boolean
  /** Nothing more will be written; what comes back is still read. */
  end(): void
  /** The request is out; what is awaited now is the response. */
  expectAnswer(): void
  pause(): void
  resume(): void
  /** What follows is passed on untouched. */
  becomeTunnel(): void
  destroy(): void
}

/** What an upstream reports; `Owner` is whoever it works for. */
export interface UpstreamConsumer<Owner> {
  connected(owner: Owner, connection: UpstreamSide): void
  /** An interim response (1xx). */
  interim(owner: Owner, connection: UpstreamSide): void
  /** The head of the final response. Payload may follow at once; `readEnd` says that for now there is none. */
  head(owner: Owner, connection: UpstreamSide): void
  /** Payload; `isLast` comes exactly once per response, perhaps with no bytes. */
  payload(owner: Owner, connection: UpstreamSide, bytes: Buffer, from: number, to: number, isLast: boolean): void
  readEnd(owner: Owner, connection: UpstreamSide): void
  /** Bytes after a switch of protocols. */
  tunnelled(owner: Owner, connection: UpstreamSide, bytes: Buffer, from: number, to: number): void
  tunnelEnded(owner: Owner, connection: UpstreamSide): void
  drained(owner: Owner, connection: UpstreamSide): void
  failed(owner: Owner, connection: UpstreamSide, failure: UpstreamFailure, reason: string): void
}
