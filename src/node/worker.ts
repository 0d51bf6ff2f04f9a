/** One worker process: the configuration it runs, the engine that proxies, and the channel to the main process. */
import { systemClock } from '../base/clock.ts'
import { turnClock } from '../proxy/turn.ts'
import { createLogFiles, logFileOf, type LogFiles } from '../base/log-files.ts'
import { createLogger, type LogLevel } from '../base/logger.ts'
import { systemRandom } from '../base/random.ts'
import type { ConfigChange } from '../entities/config.ts'
import { proxySettingsFrom } from './proxy-settings-from.ts'
import { enabledPlugins, nodeCatalog } from './enabled-plugins.ts'
import type { BoundSocket } from './bound-sockets.ts'
import type { FromWorker, ToWorker, WorkerStart } from './worker-messages.ts'
import { createProxyEngine, type ProxyEngine } from '../proxy/engine.ts'
import type { Preparation, RunningConfig, SnapshotPreparation } from '../proxy/running-config.ts'
import { createRunningConfig } from '../proxy/running-config.ts'
import { type CountingResolver, createResolver } from '../proxy/upstream/dns.ts'
import { WorkerPeerHealth } from '../proxy/health/peer-health.ts'
import { inTurns, type Steps } from '../proxy/steps.ts'
import { createLeasedCounters } from '../sdk/leased-counters.ts'
import { createLocalCounters } from '../sdk/local-counters.ts'
import { createMetricRegistry } from '../sdk/metrics-registry.ts'
import { createWorkerTools, type WorkerTools } from '../sdk/plugin-tools.ts'
import type { Settings } from '../settings/definition.ts'
import envVault from '../vaults/env.ts'

const tell = (message: FromWorker) => process.send!(message)
/** The output that the main process gave this one, until its settings say which file. */
let writeLog = (line: string): unknown => process.stderr.write(line)
const log = createLogger({ level: 'notice', write: line => writeLog(line), now: systemClock.now })

let writeStreamLog = writeLog
const streamLog = createLogger({ level: 'notice', write: line => writeStreamLog(line), now: systemClock.now })

interface Running {
  readonly start: WorkerStart
  readonly config: RunningConfig
  readonly resolver: CountingResolver
  readonly health: WorkerPeerHealth
  readonly engine: ProxyEngine
  readonly tools: WorkerTools
  readonly metrics: ReturnType<typeof createMetricRegistry>
  readonly files: LogFiles
}

let running: Running | null = null
const snapshots = new Map<number, SnapshotPreparation>()
const batches = new Map<number, ConfigChange[]>()
const prepared = new Map<number, Preparation>()
const asked = new Map<number, (answer: unknown) => void>()
let nextAsk = 1

function start(message: WorkerStart): void {
  const settings = message.settings as Settings
  setLogLevel(settings.log_level)
  const clock = turnClock(systemClock)
  const random = systemRandom
  const { files, accessLog, streamAccessLog } = openLogs(settings)
  const plugins = enabledPlugins(settings.plugins)
  const catalog = nodeCatalog(settings)
  const metrics = createMetricRegistry()
  // A worker that is alone need not ask anybody.
  const counters = message.workerCount === 1 ? createLocalCounters({ clock }) : createLeasedCounters({ clock, ask })
  const node = { id: message.nodeId, hostname: message.hostname, role: message.role, workerId: message.slot }
  const proxySettings = proxySettingsFrom(settings, accessLog, streamAccessLog)
  const health = new WorkerPeerHealth(reports => tell({ type: 'peer-reports', reports }))
  const resolver = createResolver({ settings: proxySettings.dns, clock, log })
  let tools: WorkerTools | null = null
  const config = createRunningConfig({
    catalog,
    plugins: new Map(plugins.map(plugin => [plugin.name, plugin])),
    tools: scope => tools!.for(scope),
    settings: proxySettings,
    resolver,
    vaults: new Map([[envVault.name, envVault]]),
    environment: process.env,
    health,
    clock,
    random,
    log,
  })
  tools = createWorkerTools({ clock, random, log, entities: config.reader, counters, metrics, node })
  const engine = createProxyEngine({ config, settings: proxySettings, clock, random, log, streamLog, node })
  running = { start: message, config, resolver, health, engine, tools, metrics, files }
  tell({ type: 'started' })
}

function setLogLevel(level: LogLevel): void {
  log.setLevel(level)
  streamLog.setLevel(level)
}

/** A question to the main process; resolves with its answer. */
function ask(message: unknown): Promise<never> {
  return new Promise(resolve => {
    const id = nextAsk++
    asked.set(id, resolve as (answer: unknown) => void)
    tell({ type: 'ask', id, message })
  })
}

function receive(message: ToWorker, socket: unknown): void {
  switch (message.type) {
    case 'start':
      return start(message)
    case 'listen':
      running!.engine.attach(socket as BoundSocket, message.address)
      tell({ type: 'listening', address: message.address })
      return
    case 'snapshot-begin':
      snapshots.set(message.id, running!.config.prepareSnapshot(message.head))
      return
    case 'snapshot-batch':
      snapshots.get(message.id)?.add(message.changes)
      return
    case 'snapshot-end': {
      const snapshot = snapshots.get(message.id)!
      snapshots.delete(message.id)
      return settle(message.id, snapshot.finish())
    }
    case 'delta-batch': {
      const batch = batches.get(message.id)
      if (batch === undefined) batches.set(message.id, [...message.changes])
      else batch.push(...message.changes)
      return
    }
    case 'delta': {
      const { id, delta } = message
      const changes = [...(batches.get(id) ?? []), ...delta.changes]
      batches.delete(id)
      return settle(id, running!.config.prepareDelta({ ...delta, changes }))
    }
    case 'commit':
      take(message.id)?.commit()
      tell({ type: 'committed', id: message.id })
      return
    case 'discard':
      snapshots.delete(message.id)
      batches.delete(message.id)
      take(message.id)?.discard()
      return
    case 'answer':
      asked.get(message.id)?.(message.answer)
      asked.delete(message.id)
      return
    case 'collect':
      return collect(message.id)
    case 'dns-stats':
      tell({ type: 'dns-stats', id: message.id, stats: running!.resolver.stats() })
      return
    case 'log-level':
      return setLogLevel(message.level)
    case 'ping':
      tell({ type: 'pong' })
      return
    case 'ticket-keys':
      return running?.engine.setTicketKeys(Buffer.from(message.keys, 'base64'))
    case 'reopen-logs':
      return running?.files.reopen()
    case 'peer-states':
      return running?.health.apply(message.changes, message.marks)
    case 'drain':
      void drain(message.timeoutMs)
  }
}

/** Between the steps requests are served. The main process says nothing more of this version before it has the answer. */
function settle(id: number, steps: Steps<Preparation>): void {
  inTurns(steps).then(preparation => prepare(id, preparation), giveUp)
}

function prepare(id: number, preparation: Preparation): void {
  if (preparation.ok) prepared.set(id, preparation)
  tell({ type: 'prepared', id, refusal: preparation.ok ? null : preparation.refusal })
}

function take(id: number): Extract<Preparation, { ok: true }> | null {
  const preparation = prepared.get(id)
  prepared.delete(id)
  return preparation?.ok ? preparation : null
}

function collect(id: number): void {
  const { engine, metrics, start } = running!
  const { heapUsed, rss } = process.memoryUsage()
  const report = {
    pid: process.pid,
    slot: start.slot,
    metrics: metrics.dump(),
    connections: engine.stats(),
    memory: { heapUsed, rss },
  }
  tell({ type: 'collected', id, report })
}

async function drain(timeoutMs: number): Promise<void> {
  if (running === null) process.exit(0)
  await running.engine.drain(timeoutMs)
  await Promise.race([running.tools.close(), new Promise<void>(resolve => systemClock.after(timeoutMs, resolve))])
  process.exit(0)
}

/** Throws when a file cannot be written: a node that loses its log from the start is better not started. */
function openLogs(settings: Settings): {
  readonly files: LogFiles
  readonly accessLog: ((line: string) => void) | null
  readonly streamAccessLog: ((line: string) => void) | null
} {
  const files = createLogFiles({
    prefix: settings.prefix,
    output: null,
    after: systemClock.after,
    onError: message => process.stderr.write(`${message}\n`),
  })
  process.on('exit', () => files.close())
  const open = (name: `proxy_${'' | 'stream_'}${'access' | 'error'}_log`) => {
    const file = logFileOf(settings[name])
    // In the foreground everything goes to the output, as it does in the main process.
    const path = settings.foreground && file !== null ? '/dev/stdout' : file
    try {
      if (path !== null) files.open(path)
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`)
    }
    return path
  }
  const errors = open('proxy_error_log')
  writeLog = errors === null ? () => {} : files.direct(errors)
  const access = open('proxy_access_log')
  const accessLog = access === null ? null : files.to(access)
  if (settings.stream_listen.length === 0) return { files, accessLog, streamAccessLog: null }
  const streamErrors = open('proxy_stream_error_log')
  writeStreamLog = streamErrors === null ? () => {} : files.direct(streamErrors)
  const streamAccess = open('proxy_stream_access_log')
  return { files, accessLog, streamAccessLog: streamAccess === null ? null : files.to(streamAccess) }
}

/** The main process decides what becomes of a worker that cannot do what it is told. */
function giveUp(error: Error): void {
  log.crit(`worker: ${error.stack}`)
  process.send!({ type: 'failed', message: error.message } satisfies FromWorker, () => process.exit(1))
}

process.on('message', (message, socket) => {
  try {
    receive(message as ToWorker, socket)
  } catch (error) {
    giveUp(error as Error)
  }
})
// Without its parent a worker has nobody to get configuration from, or to be stopped by.
process.on('disconnect', () => process.exit(0))
// A signal may be meant for this worker alone, or have reached the whole group (Ctrl-C, systemd): the main process knows.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const) process.on(signal, () => tell({ type: 'leaving' }))
for (const signal of ['SIGHUP', 'SIGUSR1'] as const) process.on(signal, () => {})
