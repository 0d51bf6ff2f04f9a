/** The access log of stream sessions, in Kong's format `basic`. */
import { timestampOf } from '../../base/log-line.ts'
import type { StreamSession } from './stream-session.ts'

/** Address, time, transport, status, bytes to and from the client, seconds. */
export function streamLogLine(session: StreamSession): string {
  const { client, context, status, sentBytes, receivedBytes } = session
  const now = context.clock.now()
  const transport = client.protocol === 'udp' ? 'UDP' : 'TCP'
  const seconds = Math.max(0, (now - session.startedAt) / 1000).toFixed(3)
  return `${client.clientIp} [${timestampOf(now)}] ${transport} ${status} ${sentBytes} ${receivedBytes} ${seconds}`
}
