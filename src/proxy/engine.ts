/** The proxy of one worker process: listeners in front, one pipeline behind, a running configuration beside. */
import type { Clock } from '../base/clock.ts'
import type { ListenAddress } from '../base/listen-address.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import { createAccessLog } from './access-log.ts'
import { Deadlines } from './deadlines.ts'
import { Listener } from './listener/listener.ts'
import type { ListenSource } from './listener/listen-on.ts'
import { TicketKeys } from './listener/ticket-keys.ts'
import { createTrustedPeers } from './listener/trusted-peers.ts'
import { READ_BYTES } from './piece-buffers.ts'
import { Pipeline } from './pipeline.ts'
import type { ProxyContext } from './proxy-context.ts'
import type { ProxySettings } from './proxy-settings.ts'
import { RequestIds } from './request-ids.ts'
import type { RunningConfig } from './running-config.ts'
import { BulkBuffers } from './stream/bulk-buffers.ts'
import { StreamFlow } from './stream/stream-flow.ts'
import { StreamListener } from './stream/stream-listener.ts'
import { UdpListener } from './stream/udp-listener.ts'
import { SecureContexts } from './upstream/secure-contexts.ts'

/**
 * A client that keeps its connection busy sends its next request within this time, and learns from the answer that the
 * connection ends. Closing at once would meet that request half-way, and the client could not know whether it counted.
 */
const IDLE_GRACE_MS = 500

export interface ProxyEngineOptions {
  readonly config: RunningConfig
  readonly settings: ProxySettings
  readonly log: Logger
  /** For the stream proxy; default: the same. */
  readonly streamLog?: Logger
  readonly clock: Clock
  readonly random: Random
  readonly node: { readonly id: string; readonly hostname: string; readonly workerId: number }
  /** Off, connections are accepted through Node's public events only. */
  readonly rawAccept?: boolean
}

/** As nginx's stub status, and Kong's `/status`. */
export interface ProxyStats {
  readonly accepted: number
  readonly active: number
  readonly handled: number
  readonly requests: number
  readonly reading: number
  readonly writing: number
  readonly waiting: number
  /** Of the stream proxy, in the numbers above too. */
  readonly streamAccepted: number
  readonly streamActive: number
}

export interface ProxyEngine {
  /** Serves an address; from a bound handle or server, or with null by binding it. Resolves with the port. */
  attach(source: ListenSource, address: ListenAddress): Promise<number>
  /** Accepts nothing more, finishes what has begun, and closes; after `timeoutMs` in any case. */
  drain(timeoutMs: number): Promise<void>
  stats(): ProxyStats
  /** Keys of TLS session tickets, 48 bytes, instead of those of this process alone. */
  /** 48 bytes, or several times as many: the newest first. */
  setTicketKeys(keys: Buffer): void
  close(): void
}

export function createProxyEngine(options: ProxyEngineOptions): ProxyEngine {
  const { settings, clock } = options
  const context = createContext(options)
  const { deadlines, ticketKeys } = context
  const pipeline = new Pipeline(context)
  const httpListeners: Listener[] = []
  const streamListeners: (StreamListener | UdpListener)[] = []
  const all = (): OpenListener[] => [...httpListeners, ...streamListeners]
  const connectionsOpen = () => sizeOf(httpListeners) + sizeOf(streamListeners)
  const flow = new StreamFlow(context)
  const secureContexts = new SecureContexts(settings.tls, 'stream')
  const bulkBuffers = new BulkBuffers()
  const isRawAllowed = options.rawAccept !== false

  function close(): void {
    for (const listener of all()) listener.close()
    pipeline.forwarder.close()
    deadlines.close()
  }

  return {
    async attach(source, address) {
      if (address.stream === true) {
        const shared = { context, flow, connectionsOpen }
        const listener =
          address.udp === true
            ? new UdpListener(address, shared)
            : new StreamListener(address, { ...shared, secureContexts, bulkBuffers, isRawAllowed })
        streamListeners.push(listener)
        return listener.listen(source)
      }
      const listener = new Listener(context, pipeline, address, { connectionsOpen, isRawAllowed })
      httpListeners.push(listener)
      return listener.listen(source)
    },

    drain(timeoutMs) {
      context.isDraining = true
      for (const listener of all()) listener.stopAccepting()
      return new Promise(resolve => {
        const end = () => {
          timer.cancel()
          idling.cancel()
          close()
          resolve()
        }
        const timer = clock.after(timeoutMs, end)
        const idling = clock.every(IDLE_GRACE_MS, () => {
          for (const listener of all()) listener.endIdle()
        })
        const check = () => all().every(listener => listener.isIdle) && end()
        for (const listener of all()) listener.onIdle = check
        check()
      })
    },

    setTicketKeys: keys => ticketKeys.set(keys),
    stats: () => countStats(context, httpListeners, sizeOf(streamListeners)),
    close,
  }
}

function createContext(options: ProxyEngineOptions): ProxyContext {
  const { settings } = options
  return {
    ...options,
    streamLog: options.streamLog ?? options.log,
    deadlines: new Deadlines(options.clock),
    requestIds: new RequestIds(options.random),
    accessLog: settings.accessLog === null ? null : createAccessLog(settings.accessLog, settings.accessLogFormat),
    trustedPeers: createTrustedPeers(settings),
    ticketKeys: new TicketKeys(options.random),
    readBuffer: Buffer.allocUnsafeSlow(READ_BYTES),
    counts: { accepted: 0, handled: 0, requests: 0 },
    streamCounts: { accepted: 0 },
    isDraining: false,
  }
}

interface OpenListener {
  readonly size: number
  readonly isIdle: boolean
  onIdle: (() => void) | null
  stopAccepting(): void
  endIdle(): void
  close(): void
}

function sizeOf(listeners: readonly OpenListener[]): number {
  let size = 0
  for (const listener of listeners) size += listener.size
  return size
}

function countStats(
  { counts, streamCounts }: ProxyContext,
  listeners: readonly Listener[],
  streamActive: number,
): ProxyStats {
  const states = { reading: 0, writing: 0, waiting: 0 }
  let active = streamActive
  for (const { connections } of listeners) {
    active += connections.size
    for (const { state } of connections) states[state]++
  }
  // nginx counts connections it handled, not answers; both are the same unless it ran out of room.
  const accepted = counts.accepted + streamCounts.accepted
  const stream = { streamAccepted: streamCounts.accepted, streamActive }
  return { accepted, active, handled: accepted, requests: counts.requests, ...states, ...stream }
}
