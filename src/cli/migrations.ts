/** `kong migrations`: the tables of the store. The embedded one keeps itself up to date; the commands tell so. */
import { createInterface } from 'node:readline/promises'
import type { Settings } from '../settings/definition.ts'
import {
  CliError,
  type Command,
  type CommandContext,
  CONF_OPTION,
  DATABASE_OPTIONS,
  type Invocation,
  JSON_OPTION,
  PREFIX_OPTION,
} from './command.ts'
import { loadRunningOrGiven } from './node-settings.ts'
import { prefixPaths } from './prefix-folder.ts'
import { findRunning } from './process-record.ts'
import type { Terminal } from './terminal.ts'

/** Of `list`, as in Kong. */
const NEEDS_BOOTSTRAP_CODE = 3

const command: Command = {
  name: 'migrations',
  description: 'Manage the tables of the store. The embedded store brings them up to date whenever a node opens it.',
  options: {
    yes: { short: 'y', description: 'Answer yes to all questions.' },
    quiet: { short: 'q', description: 'Print nothing.' },
    force: { short: 'f', description: 'With bootstrap: begin with an empty store, whatever is there.' },
    ...DATABASE_OPTIONS,
    conf: CONF_OPTION,
    prefix: PREFIX_OPTION,
    json: JSON_OPTION,
  },
  subcommands: {
    bootstrap: { description: 'Make the store and its tables.' },
    up: { description: 'Bring the tables to this version.' },
    finish: { description: 'Complete what `up` left for later.' },
    list: { description: 'List the migrations that were run.' },
    reset: { description: 'Delete the store with all it holds.' },
    status: { description: 'Print the state of the store as JSON.' },
  },
  async run(invocation, context) {
    const { settings } = loadRunningOrGiven(invocation, context)
    const terminal = invocation.options['quiet'] === undefined ? context.terminal : context.terminal.quiet()
    if (settings.storage === 'memory') {
      terminal.print('storage = memory has no database, and so no migrations')
      return 0
    }
    return subcommands[invocation.subcommand!]!(settings, { ...context, terminal }, invocation)
  },
}
export default command

type Subcommand = (settings: Settings, context: CommandContext, invocation: Invocation) => Promise<number>

const subcommands: Readonly<Record<string, Subcommand>> = { bootstrap, up, finish, list, reset, status }

const offline = () => import('../node/offline-config.ts')

async function bootstrap(settings: Settings, context: CommandContext, invocation: Invocation): Promise<number> {
  const { isBootstrapped, migrateStore } = await offline()
  if (invocation.options['force'] !== undefined) await reset(settings, context, invocation)
  else if (isBootstrapped(settings)) {
    context.terminal.print('Database already bootstrapped')
    return 0
  }
  context.terminal.print('Bootstrapping database...')
  await migrateStore(settings)
  context.terminal.print('Database is up-to-date')
  return 0
}

async function up(settings: Settings, { terminal }: CommandContext): Promise<number> {
  const { migrateStore } = await offline()
  await migrateStore(settings)
  terminal.print('Database is already up-to-date')
  return 0
}

async function finish(settings: Settings, { terminal }: CommandContext): Promise<number> {
  const { migrateStore } = await offline()
  await migrateStore(settings)
  terminal.print('No pending migrations to finish')
  return 0
}

async function list(settings: Settings, { terminal }: CommandContext, { options }: Invocation): Promise<number> {
  const { isBootstrapped, migrateStore } = await offline()
  if (!isBootstrapped(settings)) {
    if (options['json'] !== undefined) terminal.printRaw(JSON.stringify({ needs_bootstrap: true, executed: [] }))
    else {
      terminal.print(
        "Database needs bootstrapping.\n\nRun 'kong migrations bootstrap', or start a node: it does so by itself.",
      )
    }
    return NEEDS_BOOTSTRAP_CODE
  }
  const executed = await migrateStore(settings)
  if (options['json'] !== undefined) terminal.printRaw(JSON.stringify({ needs_bootstrap: false, executed }))
  else terminal.print(`Executed migrations:\n  core: ${executed.join(', ')}`)
  return 0
}

async function status(settings: Settings, { terminal }: CommandContext): Promise<number> {
  const { isBootstrapped, migrateStore } = await offline()
  const needsBootstrap = !isBootstrapped(settings)
  const executed = needsBootstrap ? [] : await migrateStore(settings)
  terminal.printRaw(
    JSON.stringify({
      needs_bootstrap: needsBootstrap,
      executed_migrations: needsBootstrap ? [] : [{ subsystem: 'core', migrations: executed }],
    }),
  )
  return 0
}

async function reset(settings: Settings, { terminal }: CommandContext, { options }: Invocation): Promise<number> {
  const { isBootstrapped, resetStore } = await offline()
  if (options['yes'] === undefined) {
    if (!process.stdin.isTTY) {
      throw new CliError("not a tty: invoke 'reset' non-interactively with the --yes flag")
    }
    if (isBootstrapped(settings) && !(await confirm('Are you sure? This operation is irreversible.'))) {
      terminal.print('cancelled')
      return 0
    }
  }
  return erase(settings, terminal, isBootstrapped(settings), resetStore)
}

function erase(
  settings: Settings,
  terminal: Terminal,
  isThere: boolean,
  resetStore: (settings: Settings) => void,
): number {
  if (!isThere) {
    terminal.print('Database not bootstrapped, nothing to reset')
    return 1
  }
  if (findRunning(prefixPaths(settings.prefix)) !== null) {
    throw new CliError(`a node is running in ${settings.prefix}: stop it first`)
  }
  terminal.print('Resetting database...')
  resetStore(settings)
  terminal.print('Database successfully reset')
  return 0
}

const ATTEMPTS_MAX = 3

async function confirm(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const answer = await lines.question(`> ${question} [y/n] `)
      if (/^(y|Y|yes|YES)$/.test(answer)) return true
      if (/^(n|N|no|NO)$/.test(answer)) return false
    }
    return false
  } finally {
    lines.close()
  }
}
