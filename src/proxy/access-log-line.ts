/** The access log: nginx's combined format with Kong's request id behind it. */
import { escapeLogged, timestampOf } from '../base/log-line.ts'
import type { Exchange } from './exchange.ts'

/** As nginx writes them. */
export const PROTOCOLS = { '1.0': 'HTTP/1.0', '1.1': 'HTTP/1.1', '2': 'HTTP/2.0' } as const

export function accessLogLine(exchange: Exchange): string {
  const { head } = exchange
  const user = escapeLogged(remoteUser(head.find('authorization')) || '-')
  const referer = escapeLogged(head.find('referer') ?? '-')
  const agent = escapeLogged(head.find('user-agent') ?? '-')
  const bodyBytes = Math.max(0, exchange.responseBytes - exchange.sentHead.length)
  const request = escapeLogged(requestLine(exchange) || '-')
  const time = timestampOf(exchange.context.clock.now())
  return (
    `${exchange.clientIp} - ${user} [${time}] "${request}" ${exchange.status} ${bodyBytes} ` +
    `"${referer}" "${agent}" kong_request_id: "${exchange.id}"`
  )
}

/** Of a request that was refused as much as could be read. */
export function requestLine({ head }: Exchange): string {
  if (head.target === '') return head.method
  return `${head.method} ${head.target} ${PROTOCOLS[head.version]}`
}

/** User name of Basic authentication, or nothing. */
export function remoteUser(authorization: string | undefined): string {
  const match = authorization === undefined ? null : /^basic +([A-Za-z0-9+/=]+)$/i.exec(authorization)
  if (match === null) return ''
  const text = Buffer.from(match[1]!, 'base64').toString('latin1')
  const colon = text.indexOf(':')
  return colon > 0 ? text.slice(0, colon) : ''
}
