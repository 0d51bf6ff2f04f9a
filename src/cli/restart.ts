/** `kong restart`: stop, if it runs, and start. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command, Invocation } from './command.ts'
import { stopNode } from './ending.ts'
import { givenPrefix, loadGiven } from './node-settings.ts'
import { findRunning } from './process-record.ts'
import { START_OPTIONS, startCommand } from './start.ts'

const command: Command = {
  name: 'restart',
  description:
    'Stop a node and start it again. Without --conf it gets the settings it had. Wrong settings are told before it is ' +
    'stopped.',
  options: START_OPTIONS,
  async run(invocation, context) {
    const paths = givenPrefix(invocation, context)
    const again = invocation.options['conf'] === undefined && existsSync(paths.settings)
    const options = again
      ? { ...invocation.options, conf: paths.settings, prefix: paths.prefix }
      : { ...invocation.options, prefix: resolve(context.folder, paths.prefix) }
    const next: Invocation = { ...invocation, options }
    loadGiven(next, { ...context, terminal: context.terminal.quiet() })
    const pid = findRunning(paths)
    if (pid !== null) await stopNode(paths, pid)
    return startCommand(next, context)
  },
}
export default command
