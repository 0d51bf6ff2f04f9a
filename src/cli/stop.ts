/** `kong stop`: ends a node at once, connections included. */
import { CliError, type Command, PREFIX_OPTION } from './command.ts'
import { stopNode } from './ending.ts'
import { existingPrefix } from './node-settings.ts'
import { findRunning } from './process-record.ts'

const command: Command = {
  name: 'stop',
  description: 'Stop a node at once (SIGTERM). Returns when it has ended.',
  options: { prefix: PREFIX_OPTION },
  async run(invocation, context) {
    const paths = existingPrefix(invocation, context)
    const pid = findRunning(paths)
    if (pid === null) throw new CliError(`nginx not running in prefix: ${paths.prefix}`)
    await stopNode(paths, pid)
    context.terminal.print('Kong stopped')
    return 0
  },
}
export default command
