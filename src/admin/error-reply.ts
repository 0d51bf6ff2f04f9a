/** From what an endpoint rejected with to what its client reads. */
import type { Logger } from '../base/logger.ts'
import { errorBody, STORE_ERRORS, StoreError } from '../store/errors.ts'
import { json, type Reply, unexpectedError } from './reply.ts'

export function errorReply(error: unknown, logger: Logger): Reply {
  if (error instanceof StoreError) {
    const { status } = STORE_ERRORS[error.kind]
    if (status < 500) return json(status, errorBody(error))
  }
  // The client learns nothing of what broke inside; the log does.
  logger.error('admin request failed', {
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  })
  return unexpectedError
}
