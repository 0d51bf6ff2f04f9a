/** `kong completion`: a script that lets a shell complete commands, sub-commands, options and files. */
import { CliError, type Command } from './command.ts'
import { type CompletedCommand, completionScripts } from './completion-scripts.ts'

const command: Command = {
  name: 'completion',
  description:
    'Print completions for a shell.\n' +
    '  bash:  source <(kong completion bash)\n' +
    '  zsh:   kong completion zsh > "${fpath[1]}/_kong"\n' +
    '  fish:  kong completion fish > ~/.config/fish/completions/kong.fish',
  positionals: ['<shell>'],
  options: {},
  async run({ positionals }, { terminal }) {
    const [shell] = positionals
    const shells = Object.keys(completionScripts)
    const make = shell === undefined ? undefined : completionScripts[shell as keyof typeof completionScripts]
    if (make === undefined) {
      throw new CliError(
        `${shell === undefined ? 'which shell' : `'${shell}' is none of the shells`}: ${shells.join(', ')}`,
      )
    }
    terminal.printRaw(make(await describeCommands()).trimEnd())
    return 0
  },
}
export default command

/** From the definitions, so that completions cannot know less than the commands. */
async function describeCommands(): Promise<CompletedCommand[]> {
  const { commandSummaries, findCommand } = await import('./commands.ts')
  const commands = Object.entries(commandSummaries).map(async ([name, summary]) => {
    const { options, subcommands = {} } = (await findCommand(name))!
    const all = {
      ...options,
      v: { description: 'verbose' },
      vv: { description: 'debug' },
      help: { description: 'help' },
    }
    return {
      name,
      summary,
      options: Object.entries(all).map(([long, option]) => ({ long, ...option })),
      subcommands: Object.entries(subcommands).map(([sub, { description }]) => ({ name: sub, description })),
    }
  })
  return Promise.all(commands)
}
