/** The log level as the Admin API changes it: for a while, on this node, or on all that share its store. */
import type { LogLevelControl } from '../admin/admin-options.ts'
import { LOG_LEVELS, type LogLevel } from '../base/logger.ts'
import type { ClusterEvents } from '../cluster/cluster-events.ts'
import type { NodeContext } from './node-context.ts'
import type { ProxyHalf } from './proxy-half.ts'

const CHANNEL = 'log_level'
/** A timer cannot wait longer (2^31 - 1 ms). */
const TIMEOUT_MS_MAX = 2_147_483_000

/** A changed level holds for a while and then falls back, so that nobody leaves a node at `debug`. */
export function createLogLevelControl(
  { log, clock }: Pick<NodeContext, 'log' | 'clock'>,
  proxy: Pick<ProxyHalf, 'supervisor'> | null,
  events: ClusterEvents,
): LogLevelControl {
  const configured = log.level()
  let fallback = { cancel() {} }
  const set = (level: LogLevel) => {
    log.setLevel(level)
    proxy?.supervisor.setLogLevel(level)
  }
  const changeHere = (level: LogLevel, timeoutMs: number) => {
    fallback.cancel()
    set(level)
    if (timeoutMs > 0) fallback = clock.after(timeoutMs, () => set(configured))
  }
  events.on(CHANNEL, ({ level, timeout_ms }) => {
    const known = LOG_LEVELS.find(name => name === level)
    const isTime = Number.isSafeInteger(timeout_ms) && (timeout_ms as number) >= 0
    // Another node may be of another version.
    if (known !== undefined && isTime) changeHere(known, Math.min(timeout_ms as number, TIMEOUT_MS_MAX))
  })
  return {
    level: () => log.level(),
    async change({ level, timeoutMs, scope }) {
      if (!LOG_LEVELS.includes(level)) return
      changeHere(level, timeoutMs)
      if (scope === 'cluster') await events.publish(CHANNEL, { level, timeout_ms: timeoutMs })
    },
  }
}
