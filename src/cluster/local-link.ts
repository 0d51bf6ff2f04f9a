/** Joins a source to a sink in one process: the same collapsing of bursts as over the wire, without the wire. */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { ConfigHead } from '../entities/config.ts'
import { retryDelayMs } from './backoff.ts'
import type { ApplyOutcome, ConfigSink, ConfigSource } from './link.ts'

export interface LocalLinkOptions {
  readonly source: ConfigSource
  readonly sink: ConfigSink
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Called after each version that the sink accepted or refused. */
  readonly onOutcome?: (head: ConfigHead, outcome: ApplyOutcome) => void
}

export interface LocalLink {
  /** Resolves when the sink runs (or has refused) what the source held at the call. Rejects if either is broken. */
  start(): Promise<ApplyOutcome>
  stop(): Promise<void>
}

export function createLocalLink({ source, sink, clock, random, logger, onOutcome }: LocalLinkOptions): LocalLink {
  let running: Promise<ApplyOutcome> | null = null
  let isDirty = false
  let isStopped = false
  let unsubscribe = () => {}
  let failures = 0
  let refusedVersion = -1

  async function follow(): Promise<ApplyOutcome> {
    isDirty = false
    const update = await updateOnce(source, sink)
    return update === null ? { ok: true } : settle(update.head, update.outcome)
  }

  function settle(head: ConfigHead, outcome: ApplyOutcome): ApplyOutcome {
    if (!outcome.ok) {
      const { entity, key, field, message } = outcome.refusal
      if (head.version !== refusedVersion) {
        logger.error(`refused version ${head.version}: ${entity} ${key} ${field ?? ''}: ${message}`)
      }
      refusedVersion = head.version
    }
    onOutcome?.(head, outcome)
    return outcome
  }

  async function followAll(): Promise<ApplyOutcome> {
    let outcome = await follow()
    while (isDirty && !isStopped) outcome = await follow()
    failures = 0
    return outcome
  }

  /** The next run begins only after the last: what came meanwhile is one update. */
  function wake() {
    isDirty = true
    if (running !== null || isStopped) return
    run().catch(error => {
      const ms = retryDelayMs(failures++, random)
      logger.error(`cannot apply the configuration: ${error instanceof Error ? error.message : error}`, {
        retry_ms: ms,
      })
      clock.after(ms, wake)
    })
  }

  function run(): Promise<ApplyOutcome> {
    const run = followAll().finally(() => {
      running = null
    })
    running = run
    return run
  }

  return {
    start() {
      unsubscribe = source.onHead(wake)
      return run()
    },
    async stop() {
      isStopped = true
      unsubscribe()
      // Whoever asked for that run hears of its failure.
      await running?.catch(() => undefined)
    },
  }
}

/** One update to the newest version; null when the sink runs it already. */
async function updateOnce(
  source: ConfigSource,
  sink: ConfigSink,
): Promise<{ readonly head: ConfigHead; readonly outcome: ApplyOutcome } | null> {
  const head = await source.head()
  const { version, config_hash } = sink.head()
  if (head.version === version && head.config_hash === config_hash) return null
  const delta = version === 0 || version > head.version ? null : await source.changesSince(version)
  if (delta !== null && delta.version > version) {
    const outcome = await sink.applyDelta(delta)
    if (outcome.ok || outcome.resync !== true) return { head: delta, outcome }
  }
  const { head: exported, batches } = await source.export()
  return { head: exported, outcome: await sink.applySnapshot(exported, batches) }
}
