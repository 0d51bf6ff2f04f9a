/** `/debug/.../log-level`: reads the log level, and changes it for a while. */
import { LOG_LEVELS, type LogLevel } from '../../base/logger.ts'
import type { AdminOptions } from '../admin-options.ts'
import type { AdminRequest, Endpoint } from '../endpoint.ts'
import { json, message, type Reply } from '../reply.ts'

const defaultTimeoutSeconds = 60
/** A timer cannot wait longer (2^31 - 1 ms). */
const timeoutSecondsMax = 2_147_483

export function logLevelEndpoints(options: AdminOptions): Endpoint[] {
  const { cluster, logLevel } = options
  // On a control plane the name says that data planes are not reached.
  const clusterPath = cluster === null ? '/debug/cluster' : '/debug/cluster/control-planes-nodes'
  return [
    {
      path: '/debug/node/log-level',
      methods: { GET: () => message(200, `log level: ${logLevel.level()}`) },
    },
    {
      path: '/debug/node/log-level/{log_level}',
      methods: { PUT: request => change(options, request, 'node') },
    },
    {
      path: `${clusterPath}/log-level/{log_level}`,
      methods: { PUT: request => change(options, request, 'cluster') },
    },
  ]
}

async function change(
  { databaseLess, logLevel }: AdminOptions,
  { params, body, query }: AdminRequest,
  scope: 'node' | 'cluster',
): Promise<Reply> {
  if (databaseLess !== null) return json(405, { message: 'cannot change log level when not using a database' })
  const name = params['log_level']!
  if (!(LOG_LEVELS as readonly string[]).includes(name)) return message(400, `unknown log level: ${name}`)
  const level = name as LogLevel
  const given = body.kind === 'json' ? body.value['timeout'] : body.kind === 'form' ? formValue(body.pairs) : undefined
  const number = Number(given ?? query.first('timeout'))
  const seconds = Math.ceil(Number.isNaN(number) ? defaultTimeoutSeconds : number)
  if (seconds < 0) return message(400, 'timeout must be greater than or equal to 0')
  if (logLevel.level() === level) return message(200, `log level is already ${name}`)
  await logLevel.change({ level, timeoutMs: Math.min(seconds, timeoutSecondsMax) * 1000, scope })
  return message(200, 'log level changed')
}

const formValue = (pairs: readonly (readonly [string, string])[]) => pairs.find(([name]) => name === 'timeout')?.[1]
