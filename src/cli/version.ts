/** `kong version`: the Kong we are compatible with, and with -a what is really inside. */
import { KONG_VERSION, SILVERBACK_VERSION } from '../base/version.ts'
import { type Command, JSON_OPTION } from './command.ts'

const command: Command = {
  name: 'version',
  description:
    "Print the version of Kong that this gateway is compatible with; with -a, its own and the runtime's, too.",
  options: { all: { short: 'a', description: 'Print all versions.' }, json: JSON_OPTION },
  async run({ options }, { terminal }) {
    const { node, openssl = '', v8 } = process.versions
    if (options['json'] !== undefined) {
      terminal.printRaw(JSON.stringify({ kong: KONG_VERSION, silverback: SILVERBACK_VERSION, node, openssl, v8 }))
    } else if (options['all'] !== undefined) {
      terminal.printRaw(
        `Kong: ${KONG_VERSION}\nSilverback: ${SILVERBACK_VERSION}\nNode.js: ${node}\nOpenSSL: ${openssl}`,
      )
    } else terminal.printRaw(KONG_VERSION)
    return 0
  },
}
export default command
