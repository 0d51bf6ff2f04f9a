/** `kong prepare`: the prefix as `kong start` would make it, without a node. */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, CONF_OPTION, NGINX_OPTIONS, PREFIX_OPTION } from './command.ts'
import { loadGiven } from './node-settings.ts'
import { preparePrefix } from './prepare-prefix.ts'

/** Kong makes them too, so that whoever collects logs finds them before the node starts. */
const logNames = ['error.log', 'access.log', 'admin_access.log']

const command: Command = {
  name: 'prepare',
  description: 'Prepare the prefix (folders, certificates, merged settings) without starting a node.',
  options: { conf: CONF_OPTION, prefix: PREFIX_OPTION, ...NGINX_OPTIONS },
  async run(invocation, context) {
    const loaded = loadGiven(invocation, context)
    await preparePrefix(loaded, context.folder)
    for (const name of logNames) closeSync(openSync(join(loaded.settings.prefix, 'logs', name), 'a', 0o644))
    context.terminal.verbose(`prefix prepared at ${loaded.settings.prefix}`)
    return 0
  },
}
export default command
