/** `kong drain`: the readiness endpoint says no from now on, so that load balancers look elsewhere. */
import { callAdmin, listenerUrl } from './admin-client.ts'
import { CliError, type Command, CONF_OPTION, PREFIX_OPTION } from './command.ts'
import { loadRunningOrGiven } from './node-settings.ts'

const command: Command = {
  name: 'drain',
  description: 'Make `/status/ready` of the status listeners answer 503, so that load balancers look elsewhere.',
  options: { conf: CONF_OPTION, prefix: PREFIX_OPTION },
  /** Ends with 0 whatever happened, as Kong does: a shutdown script must go on. */
  async run(invocation, context) {
    const { terminal } = context
    const { settings } = loadRunningOrGiven(invocation, context)
    let base: string | null = ''
    try {
      base = listenerUrl(settings.status_listen)
      if (base === null) {
        terminal.printRaw('No status listeners found in configuration.')
        return 0
      }
      const { status } = await callAdmin(base, 'POST', '/status/ready', { status: 'draining' })
      terminal.printRaw(
        status === 204
          ? "Kong's status successfully changed to 'draining'"
          : `Unexpected response status from ${base}/status/ready: ${status}`,
      )
    } catch (error) {
      if (!(error instanceof CliError)) throw error
      terminal.printRaw(`Failed to send request to ${base}/status/ready: ${error.message}`)
    }
    return 0
  },
}
export default command
