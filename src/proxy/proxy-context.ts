/** What every part of the proxy of one worker works with; made once by `engine.ts`. */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import { KONG_VERSION } from '../base/version.ts'
import type { AccessLog } from './access-log.ts'
import type { Deadlines } from './deadlines.ts'
import type { ProxySettings } from './proxy-settings.ts'
import type { RequestIds } from './request-ids.ts'
import type { RunningConfig } from './running-config.ts'
import type { TicketKeys } from './listener/ticket-keys.ts'
import type { TrustedPeers } from './listener/trusted-peers.ts'

export interface ProxyContext {
  readonly config: RunningConfig
  readonly settings: ProxySettings
  readonly log: Logger
  /** `proxy_stream_error_log`. */
  readonly streamLog: Logger
  readonly clock: Clock
  readonly random: Random
  readonly node: { readonly id: string; readonly hostname: string; readonly workerId: number }
  readonly deadlines: Deadlines
  readonly requestIds: RequestIds
  /** Null when switched off. */
  readonly accessLog: AccessLog | null
  readonly trustedPeers: TrustedPeers
  readonly ticketKeys: TicketKeys
  /** Sockets read into this one buffer; whoever needs bytes after the callback copies them. */
  readonly readBuffer: Buffer
  readonly counts: ProxyCounts
  readonly streamCounts: { accepted: number }
  /** New answers carry `Connection: close`. */
  isDraining: boolean
}

export interface ProxyCounts {
  /** Connections accepted, and those closed at once for lack of room not counted as handled. */
  accepted: number
  handled: number
  requests: number
}

/** How we call ourselves in `Server` and `Via`. */
export const PRODUCT = `kong/${KONG_VERSION}`
