/** `kong health`: whether the node of a prefix runs. */
import { existsSync } from 'node:fs'
import { CliError, type Command, JSON_OPTION, PREFIX_OPTION } from './command.ts'
import { existingPrefix } from './node-settings.ts'
import { findRunning } from './process-record.ts'

const command: Command = {
  name: 'health',
  description: 'Tell whether the node of a prefix is running.',
  options: { prefix: PREFIX_OPTION, json: JSON_OPTION },
  async run(invocation, context) {
    const { terminal } = context
    const paths = existingPrefix(invocation, context)
    const pid = existsSync(paths.settings) ? findRunning(paths) : null
    if (invocation.options['json'] !== undefined) {
      terminal.printRaw(JSON.stringify({ prefix: paths.prefix, running: pid !== null, pid }))
      return pid === null ? 1 : 0
    }
    if (existsSync(paths.settings)) {
      terminal.print(`nginx.......${pid === null ? 'not running' : 'running'}`)
      terminal.print('')
    }
    if (pid === null) throw new CliError(`Kong is not running at ${paths.prefix}`)
    terminal.print(`Kong is healthy at ${paths.prefix}`)
    return 0
  },
}
export default command
