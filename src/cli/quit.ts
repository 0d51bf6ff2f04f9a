/** `kong quit`: ends a node when its requests are done. */
import { systemClock } from '../base/clock.ts'
import { pause } from '../base/pause.ts'
import { CliError, type Command, PREFIX_OPTION } from './command.ts'
import { send, stopNode, waitForEnd } from './ending.ts'
import { existingPrefix } from './node-settings.ts'
import type { PrefixPaths } from './prefix-folder.ts'
import { findRunning, isAlive } from './process-record.ts'
import type { Terminal } from './terminal.ts'

const TIMEOUT_S = 10

const command: Command = {
  name: 'quit',
  description:
    'Stop a node when its requests are done (SIGQUIT). When they take longer than the timeout, it is stopped at once.',
  options: {
    prefix: PREFIX_OPTION,
    timeout: {
      short: 't',
      value: 'SECONDS',
      description: `Time for the requests to end (default ${TIMEOUT_S}, at least 1).`,
      numberFrom: 0,
    },
    wait: {
      short: 'w',
      value: 'SECONDS',
      description: 'Time to wait before anything happens (default 0), for a load balancer to notice.',
      numberFrom: 0,
    },
  },
  async run(invocation, context) {
    const paths = existingPrefix(invocation, context)
    const pid = findRunning(paths)
    if (pid === null) throw new CliError(`nginx not running in prefix: ${paths.prefix}`)
    const { wait = '0', timeout = `${TIMEOUT_S}` } = invocation.options
    if (!(await outwait(pid, Number(wait) * 1000, context.terminal))) return 0
    return quitNode(paths, pid, Math.max(Number(timeout), 1) * 1000, context.terminal)
  },
}
export default command

/** False when the node ended by itself meanwhile. */
async function outwait(pid: number, ms: number, terminal: Terminal): Promise<boolean> {
  const end = systemClock.monotonic() + ms
  if (ms > 0) terminal.verbose(`waiting ${ms / 1000} seconds before quitting`)
  while (systemClock.monotonic() < end) {
    await pause(Math.min(200, end - systemClock.monotonic()))
    if (isAlive(pid)) continue
    terminal.error('Kong stopped while waiting (unexpected)')
    return false
  }
  return true
}

async function quitNode(paths: PrefixPaths, pid: number, timeoutMs: number, terminal: Terminal): Promise<number> {
  send(pid, 'SIGQUIT')
  terminal.verbose('waiting for requests to finish')
  if (await waitForEnd(pid, timeoutMs)) {
    terminal.print('Kong stopped (gracefully)')
    return 0
  }
  terminal.verbose(`still running at ${paths.prefix}, forcing shutdown`)
  await stopNode(paths, pid)
  terminal.print('Timeout, Kong stopped forcefully')
  return 0
}
