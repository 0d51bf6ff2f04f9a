/** The log level as the Admin API changes it: for a while, on this node, or on all that share its store. */
import type { LogLevelControl } from '../admin/admin-options.ts'
import { LOG_LEVELS } from '../base/logger.ts'
import type { ClusterEvents } from '../cluster/cluster-events.ts'
import type { NodeContext } from './node-context.ts'
import type { ProxyHalf } from './proxy-half.ts'

const CHANNEL = 'log_level'

export function createLogLevelControl(
  { log, level: hold }: Pick<NodeContext, 'log' | 'level'>,
  proxy: Pick<ProxyHalf, 'supervisor'> | null,
  events: ClusterEvents,
): LogLevelControl {
  hold.onChange = level => proxy?.supervisor.setLogLevel(level)
  events.on(CHANNEL, ({ level, timeout_ms }) => {
    const known = LOG_LEVELS.find(name => name === level)
    const isTime = Number.isSafeInteger(timeout_ms) && (timeout_ms as number) >= 0
    // Another node may be of another version.
    if (known !== undefined && isTime) hold.change(known, timeout_ms as number)
  })
  return {
    level: () => log.level(),
    async change({ level, timeoutMs, scope }) {
      if (!LOG_LEVELS.includes(level)) return
      hold.change(level, timeoutMs)
      if (scope === 'cluster') await events.publish(CHANNEL, { level, timeout_ms: timeoutMs })
    },
  }
}
