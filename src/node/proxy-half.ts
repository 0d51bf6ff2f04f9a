/** The half of a node that proxies: its workers, and what they share. */
import type { Clock, Timer } from '../base/clock.ts'
import { formatAddress } from '../base/listen-address.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { MetricDump } from '../sdk/metrics.ts'
import { OLD_TICKET_KEYS_MAX, TICKET_KEYS_BYTES } from '../proxy/listener/ticket-keys.ts'
import { type CountingResolver, createResolver } from '../proxy/upstream/dns.ts'
import { type DnsStats, sumDnsStats } from '../proxy/upstream/dns-stats.ts'
import { createCounterAuthority, type LeaseAsk } from '../sdk/counter-authority.ts'
import type { Settings } from '../settings/definition.ts'
import type { ConfigCopy } from './config-copy.ts'
import { type WorkerForks, workerCount } from './fork-worker.ts'
import { HealthAuthority } from './health-authority.ts'
import { proxySettingsFrom } from './proxy-settings-from.ts'
import { Supervisor, type WorkerPlan } from './supervisor.ts'
import type { ConnectionCounts, ToWorker, WorkerReport } from './worker-messages.ts'

/** Older tickets open as long as their keys are kept (OLD_TICKET_KEYS_MAX). */
const TICKET_KEYS_LIFE_MS = 12 * 3_600_000

type TicketKeysMessage = Extract<ToWorker, { type: 'ticket-keys' }>

export interface ProxyHalfOptions {
  readonly copy: ConfigCopy
  readonly workerForks: WorkerForks
  readonly settings: Settings
  readonly nodeId: string
  readonly hostname: string
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
}

export class ProxyHalf {
  readonly supervisor: Supervisor
  readonly health: HealthAuthority
  readonly copy: ConfigCopy
  readonly #options: ProxyHalfOptions
  readonly #resolver: CountingResolver
  #reports: readonly WorkerReport[] = []
  #ticketKeys: TicketKeysMessage
  #rotation: Timer | null = null

  constructor(options: ProxyHalfOptions) {
    this.#options = options
    const { copy, workerForks, log, clock, random } = options
    const { dns, tls } = proxySettingsFrom(options.settings, null)
    this.copy = copy
    this.#resolver = createResolver({ settings: dns, clock, log })
    this.#ticketKeys = newTicketKeys(random)
    this.health = new HealthAuthority({
      copy,
      resolver: this.#resolver,
      clock,
      random,
      log,
      tls,
      broadcast: (changes, marks) => this.supervisor.broadcast({ type: 'peer-states', changes, marks }),
    })
    const counters = createCounterAuthority({ clock, workerCount: () => this.supervisor.workerCount })
    this.supervisor = new Supervisor({
      copy,
      log,
      clock,
      events: {
        answer: message => counters.answer(message as LeaseAsk),
        onPeerReports: reports => this.health.receive(reports),
      },
      onApplied: changes => (changes === null ? this.health.reset() : this.health.apply(changes)),
      briefing: () => [
        // May be another than the one of the settings, for a while.
        { type: 'log-level', level: log.level() },
        { type: 'peer-states', changes: this.health.states(), marks: this.health.marks },
        this.#ticketKeys,
      ],
      fork: () => workerForks.take(),
    })
  }

  start(): Promise<void> {
    this.health.reset()
    this.#rotation = this.#options.clock.every(TICKET_KEYS_LIFE_MS, () => {
      this.#ticketKeys = newTicketKeys(this.#options.random, this.#ticketKeys)
      this.supervisor.broadcast(this.#ticketKeys)
    })
    return this.supervisor.start(this.#plan(this.#options.settings))
  }
  stop(): Promise<void> {
    this.#rotation?.cancel()
    this.health.close()
    return this.supervisor.stop()
  }
  reload(settings: Settings, drainTimeoutMs: number): Promise<void> {
    return this.supervisor.reload(this.#plan(settings), drainTimeoutMs)
  }

  describe(): string[] {
    const workers = this.supervisor.workerCount === 1 ? '1 worker' : `${this.supervisor.workerCount} workers`
    return this.supervisor.addresses.map(
      address =>
        `${address.stream === true ? 'stream proxy' : 'proxy'} listening on ${formatAddress(address)} (${workers})`,
    )
  }

  /** Asks the workers; a caller that cannot wait gets the last answer from `counts` and `reports`. */
  async collect(): Promise<readonly WorkerReport[]> {
    this.#reports = await this.supervisor.collect()
    return this.#reports
  }
  /** Of all workers, and of the health checks here. */
  async dnsStats(): Promise<DnsStats> {
    return sumDnsStats([this.#resolver.stats(), ...(await this.supervisor.dnsStats())])
  }
  get reports(): readonly WorkerReport[] {
    return this.#reports
  }
  counts(): ConnectionCounts {
    return sumCounts(this.#reports)
  }
  metrics(): readonly (readonly MetricDump[])[] {
    return this.#reports.map(report => report.metrics)
  }

  #plan(settings: Settings): WorkerPlan {
    const { nodeId, hostname } = this.#options
    return {
      start: { settings, nodeId, hostname, role: settings.role },
      workerCount: workerCount(settings),
      addresses: [...settings.proxy_listen, ...settings.stream_listen],
    }
  }
}

/** New for each node and now and then, so that keys taken from a node's memory open little of what was recorded before. */
function newTicketKeys(random: Random, before: TicketKeysMessage | null = null): TicketKeysMessage {
  const old = Buffer.from(before?.keys ?? '', 'base64').subarray(0, OLD_TICKET_KEYS_MAX * TICKET_KEYS_BYTES)
  const keys = Buffer.concat([random.bytes(TICKET_KEYS_BYTES), old])
  return { type: 'ticket-keys', keys: keys.toString('base64') }
}

function sumCounts(reports: readonly WorkerReport[]): ConnectionCounts {
  const states = { reading: 0, writing: 0, waiting: 0 }
  const sum = { accepted: 0, active: 0, handled: 0, requests: 0, ...states, streamAccepted: 0, streamActive: 0 }
  for (const { connections } of reports) {
    for (const name of Object.keys(sum) as (keyof ConnectionCounts)[]) sum[name] += connections[name]
  }
  return sum
}
