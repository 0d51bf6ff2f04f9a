/** Whether and how a failed attempt is made again: nginx's `proxy_next_upstream error timeout`, as Kong runs it. */
import type { PeerOutcome } from '../balancer/balancer.ts'
import type { FailureCode } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { UpstreamFailure } from './upstream-side.ts'

/** Doing these twice may do harm, so they are not sent again once they were sent (nginx's list). */
const NOT_IDEMPOTENT = new Set(['POST', 'LOCK', 'PATCH'])

export function mayRetry(exchange: Exchange, failure: UpstreamFailure, wasStale: boolean): boolean {
  const { body } = exchange
  // Asking another peer needs a connection, too.
  if (failure === 'invalid_response' || failure === 'exhausted') return false
  const canSendAgain = body === null || body.isReplayable || exchange.upstreamEdits?.editedBody != null
  if (!canSendAgain) return false
  const wasSent = failure !== 'connect_failed' && failure !== 'connect_timed_out' && failure !== 'refused'
  const method = exchange.upstreamEdits?.method ?? exchange.head.method
  if (wasSent && NOT_IDEMPOTENT.has(method)) return false
  // The peer closed an idle connection while our request was on its way: no failure of the peer, so no try is used up.
  return (wasStale && !exchange.hasMetStaleConnection) || exchange.triesLeft > 0
}

export function failureCodeOf(failure: UpstreamFailure): FailureCode {
  if (failure === 'exhausted') return 'internal'
  return failure === 'timed_out' || failure === 'connect_timed_out' ? 'upstream_timeout' : 'upstream_invalid'
}

export function outcomeOf(failure: UpstreamFailure): PeerOutcome {
  if (failure === 'exhausted') return { kind: 'aborted' }
  if (failure === 'connect_failed') return { kind: 'connect_failed' }
  return failure === 'timed_out' || failure === 'connect_timed_out' ? { kind: 'timed_out' } : { kind: 'broken' }
}
