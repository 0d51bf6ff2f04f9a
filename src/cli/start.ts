/** `kong start`: checks the settings, prepares the prefix, and returns when the node accepts connections. */
import type { LoadedSettings } from '../settings/load.ts'
import { startInBackground } from './background-node.ts'
import {
  CliError,
  type Command,
  type CommandContext,
  CONF_OPTION,
  DATABASE_OPTIONS,
  type Invocation,
  JSON_OPTION,
  NGINX_OPTIONS,
  PREFIX_OPTION,
} from './command.ts'
import { runMigrations } from './migrations.ts'
import { runNode } from './node-process.ts'
import { loadGiven } from './node-settings.ts'
import { type PrefixChanges, prefixPaths } from './prefix-folder.ts'
import { preparePrefix } from './prepare-prefix.ts'
import { findRunning } from './process-record.ts'

export const START_OPTIONS = {
  conf: CONF_OPTION,
  prefix: PREFIX_OPTION,
  foreground: { description: 'Stay attached and log to the output, as a container wants (nginx_daemon = off).' },
  json: JSON_OPTION,
  'run-migrations': { description: 'Bring the tables of the database up to date first.' },
  ...DATABASE_OPTIONS,
  ...NGINX_OPTIONS,
} as const

const command: Command = {
  name: 'start',
  description: 'Start a node. Returns when it accepts connections, or fails with the reason and leaves nothing behind.',
  options: START_OPTIONS,
  run: startCommand,
}
export default command

export async function startCommand(invocation: Invocation, context: CommandContext): Promise<number> {
  const isForeground = invocation.options['foreground'] !== undefined
  const loaded = loadGiven(invocation, context, isForeground ? { foreground: 'on' } : {})
  const { prefix } = loaded.settings
  if (findRunning(prefixPaths(prefix)) !== null) throw new CliError(`Kong is already running in ${prefix}`)
  const { terminal } = context
  if (invocation.options['run-migrations'] !== undefined && loaded.settings.storage !== 'memory') {
    await runMigrations({ settings: loaded.settings, terminal, options: invocation.options })
  }
  const changes = await preparePrefix(loaded, context.folder)
  try {
    return loaded.settings.foreground
      ? await startInForeground(loaded, context)
      : await startDetached(loaded, invocation, context)
  } catch (error) {
    undoUnlessRunning(prefix, changes)
    throw error
  }
}

/** Of two starts at the same time the loser must not take the files of the winner away. */
function undoUnlessRunning(prefix: string, changes: PrefixChanges): void {
  if (findRunning(prefixPaths(prefix)) === null) changes.undo()
}

async function startDetached(
  loaded: LoadedSettings,
  { options }: Invocation,
  context: CommandContext,
): Promise<number> {
  const { terminal } = context
  const { pid, lines } = await startInBackground(loaded, context)
  const { prefix, role } = loaded.settings
  if (options['json'] !== undefined) {
    terminal.printRaw(JSON.stringify({ started: true, prefix, role, pid, listening: lines }))
    return 0
  }
  terminal.print('Kong started')
  for (const line of lines) terminal.print(`  ${line}`)
  terminal.print(`  prefix: ${prefix}`)
  return 0
}

function startInForeground(loaded: LoadedSettings, { terminal, env }: CommandContext): Promise<number> {
  return runNode({
    loaded,
    env,
    output: text => process.stdout.write(text),
    onReady(handle) {
      terminal.print('Kong started')
      for (const line of handle.describe()) terminal.print(`  ${line}`)
      terminal.print(`  prefix: ${loaded.settings.prefix}`)
    },
  })
}
