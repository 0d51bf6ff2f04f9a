/** Telling a server that is away from a statement that is wrong. */

/** True when the server was not reached or went away, so that the statement itself is not to blame. */
export function isConnectionFailure(error: unknown): boolean {
  const { code, message } = error as { readonly code?: string; readonly message?: string }
  // Class 08: connection exceptions. 57P01 to 57P03: shutting down, crashed, starting up. 53300: too many connections.
  if (code !== undefined && /^(08...|57P0[123]|53300|E[A-Z]+)$/.test(code)) return true
  return /^(Connection terminated|Query read timeout|timeout expired|the connection was closed|Client has encountered|Client was closed)/.test(
    message ?? '',
  )
}

/** A server that does not answer in time would not answer the second time either. */
export function isSlow(error: unknown): boolean {
  return (error as Error).message === 'Query read timeout'
}
