/** `kong vault get`: what a reference stands for. */
import { isVaultReference } from '../base/vault-reference.ts'
import { resolveReference } from '../settings/references.ts'
import { CliError, type Command, CONF_OPTION, PREFIX_OPTION } from './command.ts'
import { loadRunningOrGiven } from './node-settings.ts'

const command: Command = {
  name: 'vault',
  description: 'Look up secrets. Example: TEST=hello kong vault get env/test',
  options: { conf: CONF_OPTION, prefix: PREFIX_OPTION },
  subcommands: {
    get: { arguments: '<reference>', description: 'Print the value of {vault://...}, or of its short form env/name.' },
  },
  async run(invocation, context) {
    const [given] = invocation.positionals
    if (given === undefined) {
      throw new CliError("the 'get' command needs a <reference> argument \nkong vault get <reference>")
    }
    const { settings } = loadRunningOrGiven(invocation, context)
    const reference = isVaultReference(given) ? given : `{vault://${given}}`
    const secret = resolveReference(reference, {
      env: context.env,
      prefix: settings.dynamic['vault_env_prefix'] ?? null,
      enabled: settings.vaults.some(name => name === 'bundled' || name === 'env'),
    })
    if (!secret.ok) throw new CliError(secret.error)
    context.terminal.printRaw(secret.value)
    return 0
  },
}
export default command
