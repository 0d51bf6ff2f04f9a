/** `kong vault get`: what a reference stands for. */
import { isVaultReference, parseVaultReference, type Secret } from '../base/vault-reference.ts'
import type { Settings } from '../settings/definition.ts'
import { resolveReference } from '../settings/references.ts'
import { CliError, type Command, type CommandContext, CONF_OPTION, PREFIX_OPTION } from './command.ts'
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
    const secret = await look(settings, reference, context.env)
    if (!secret.ok) throw new CliError(secret.error)
    context.terminal.printRaw(secret.value)
    return 0
  },
}
export default command

type Environment = CommandContext['env']

/** By the type of a vault as the settings do, else by the prefix of a vault entity. */
async function look(settings: Settings, reference: string, env: Environment): Promise<Secret> {
  const prefix = parseVaultReference(reference)?.vault
  if (prefix !== undefined && prefix !== 'env') {
    // The gateway's own code is loaded only now: it knows stores and entities.
    const { secretOfVaultEntity } = await import('../node/offline-vault.ts')
    return secretOfVaultEntity(settings, { reference, prefix }, env)
  }
  return resolveReference(reference, {
    env,
    prefix: settings.dynamic['vault_env_prefix'] ?? null,
    enabled: settings.vaults.some(name => name === 'bundled' || name === 'env'),
  })
}
