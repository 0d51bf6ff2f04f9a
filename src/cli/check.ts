/** `kong check`: all that is wrong with a configuration file, at once. */
import { loadSettings } from '../settings/load.ts'
import { systemFiles } from '../settings/settings-files.ts'
import { type Command, JSON_OPTION } from './command.ts'

const command: Command = {
  name: 'check',
  description:
    'Check a configuration file (default /etc/kong/kong.conf) together with the environment, and tell all that is wrong.',
  positionals: ['[<conf>]'],
  options: { json: JSON_OPTION },
  async run({ positionals, options }, { terminal, env, folder }) {
    const file = positionals[0] ?? '/etc/kong/kong.conf'
    const loaded = loadSettings({ file, env, files: systemFiles(folder) })
    if (options['json'] !== undefined) {
      const errors = loaded.ok ? [] : loaded.errors
      terminal.printRaw(JSON.stringify({ valid: loaded.ok, errors, warnings: loaded.warnings }))
      return loaded.ok ? 0 : 1
    }
    for (const warning of loaded.warnings) terminal.warn(warning)
    if (!loaded.ok) {
      for (const error of loaded.errors) terminal.error(error)
      return 1
    }
    terminal.print(`configuration at ${file} is valid`)
    return 0
  },
}
export default command
