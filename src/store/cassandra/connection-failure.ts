/** Telling a cluster that is away from a statement that is wrong. */
import cassandra from 'cassandra-driver'

const { responseErrorCodes } = cassandra.types
const outageCodes: readonly number[] = [
  responseErrorCodes.unavailableException,
  responseErrorCodes.overloaded,
  responseErrorCodes.isBootstrapping,
  responseErrorCodes.writeTimeout,
  responseErrorCodes.readTimeout,
]

/** True when too few nodes were reached, so that the statement itself is not to blame. */
export function isCassandraOutage(error: unknown): boolean {
  const { name, code, cause } = error as { readonly name?: string; readonly code?: number; readonly cause?: unknown }
  if (name === 'NoHostAvailableError' || name === 'OperationTimedOutError') return true
  if (name === 'ResponseError') return code !== undefined && outageCodes.includes(code)
  return cause !== undefined && cause !== null && isCassandraOutage(cause)
}
