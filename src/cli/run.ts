/** `kong <command> ...`: finds the command, runs it, prints how it failed, and says with which code to exit. */
import { nearestName } from '../base/nearest-name.ts'
import { parseArguments } from './arguments.ts'
import { CliError, type Command } from './command.ts'
import { commandSummaries, findCommand } from './commands.ts'
import { createTerminal, type Terminal } from './terminal.ts'
import { commandUsage, generalUsage } from './usage.ts'

export interface RunOptions {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  readonly folder: string
  readonly now: () => number
}

export async function runCli(argv: readonly string[], options: RunOptions): Promise<number> {
  const verbosity = argv.includes('--vv') ? 'debug' : argv.includes('--v') ? 'verbose' : 'normal'
  const [name, ...given] = argv.filter(argument => argument !== '--v' && argument !== '--vv')
  const terminal = createTerminal({ ...options, verbosity })
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    return usage(generalUsage(commandSummaries), options)
  }
  const command = await findCommand(name === '--version' ? 'version' : name)
  if (command === null) {
    const near = nearestName(name, Object.keys(commandSummaries))
    const hint = near === null ? '' : ` (did you mean '${near}'?)`
    options.err(`No such command: ${name}${hint}\n\n${generalUsage(commandSummaries)}\n`)
    return 1
  }
  try {
    return await runCommand(command, given, terminal, options)
  } catch (error) {
    return report(error, terminal, options)
  }
}

async function runCommand(
  command: Command,
  given: readonly string[],
  terminal: Terminal,
  options: RunOptions,
): Promise<number> {
  const { env, folder, err } = options
  const parsed = parseArguments(command, given)
  switch (parsed.kind) {
    case 'help':
    case 'no-subcommand':
      return usage(commandUsage(command), options)
    case 'unknown-subcommand':
      err(`No such command for ${command.name}: ${parsed.name}\n\n${commandUsage(command)}\n`)
      return 1
    case 'run':
      return command.run(parsed.invocation, { terminal, env, folder })
  }
}

/** Asked for or not, Kong's help goes to stderr and the code is 1: scripts know a command that did its work by its 0. */
function usage(text: string, { err }: RunOptions): number {
  err(`${text}\n`)
  return 1
}

function report(error: unknown, terminal: Terminal, { err }: RunOptions): number {
  const known = error instanceof CliError
  const message = error instanceof Error ? error.message : String(error)
  if (terminal.verbosity === 'normal') {
    err(`Error: ${message}\n\n  Run with --v (verbose) or --vv (debug) for more details\n`)
  } else err(`Error: \n${error instanceof Error ? traces(error) : message}\n`)
  return known ? error.exitCode : 1
}

function traces(error: Error): string {
  const { cause, stack = error.message } = error
  return cause instanceof Error ? `${stack}\ncaused by: ${traces(cause)}` : stack
}
