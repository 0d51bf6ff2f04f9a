/** `kong migrations`: the tables of the store. The embedded one keeps itself up to date; the commands tell so. */
import { existsSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import type { Settings } from '../settings/definition.ts'
import { StoreError } from '../store/errors.ts'
import { MigrationsLocked, type StoreMigrations } from '../store/migrations/store-migrations.ts'
import {
  CliError,
  type Command,
  CONF_OPTION,
  DATABASE_OPTIONS,
  type Invocation,
  JSON_OPTION,
  PREFIX_OPTION,
} from './command.ts'
import { loadGiven } from './node-settings.ts'
import { prefixPaths } from './prefix-folder.ts'
import { findRunning } from './process-record.ts'
import type { Terminal } from './terminal.ts'

/** Of `list`, as in Kong. */
const NEEDS_BOOTSTRAP_CODE = 3
const NEW_AVAILABLE_CODE = 5
const LOCK_SECONDS = 60

const NEEDS_BOOTSTRAP =
  "Run 'kong migrations bootstrap' first; with the embedded store, starting a node does it by itself."
const NEW_AVAILABLE = "New migrations available; run 'kong migrations up' to proceed"

const command: Command = {
  name: 'migrations',
  description: 'Manage the tables of the store. The embedded store brings them up to date whenever a node opens it.',
  options: {
    yes: { short: 'y', description: 'Answer yes to all questions.' },
    quiet: { short: 'q', description: 'Print nothing.' },
    force: {
      short: 'f',
      description: 'With bootstrap: go through all tables again, also when they are there; nothing is lost.',
    },
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
    // As in Kong: a node that is to start with other settings than it ran with needs its tables for those.
    const { settings } = loadGiven(invocation, context)
    if (existsSync(settings.prefix) && !statSync(settings.prefix).isDirectory()) {
      throw new CliError(`${settings.prefix} is not a directory`)
    }
    const terminal = invocation.options['quiet'] === undefined ? context.terminal : context.terminal.quiet()
    if (settings.storage === 'memory') {
      terminal.print('storage = memory has no database, and so no migrations')
      return 0
    }
    return withMigrations({ settings, terminal, options: invocation.options }, subcommands[invocation.subcommand!]!)
  },
}
export default command

type Subcommand = (migrations: StoreMigrations, run: MigrationsRun) => Promise<number>

interface MigrationsRun {
  readonly settings: Settings
  readonly terminal: Terminal
  readonly options: Invocation['options']
}

const subcommands: Readonly<Record<string, Subcommand>> = { bootstrap, up, finish, list, reset, status }

/** Opens the migrations of the store, and says what went wrong in Kong's words. */
async function withMigrations(run: MigrationsRun, work: Subcommand): Promise<number> {
  const { migrationsOf } = await import('../node/offline-config.ts')
  const { settings, options } = run
  const lockMsMax = Number(options['lock-timeout'] ?? LOCK_SECONDS) * 1000
  const timeout = options['db-timeout']
  const timeoutMs = Number(timeout) * 1000
  const given = timeout === undefined ? settings : { ...settings, pg_timeout: timeoutMs, cassandra_timeout: timeoutMs }
  try {
    const migrations = await migrationsOf(given, lockMsMax)
    try {
      return await work(migrations, run)
    } finally {
      await migrations.close()
    }
  } catch (error) {
    if (error instanceof MigrationsLocked) throw new CliError(`aborted: ${error.message}`)
    if (error instanceof StoreError) throw new CliError(error.message)
    throw error
  }
}

/** Of `kong start --run-migrations`. */
export function runMigrations(run: MigrationsRun): Promise<number> {
  return withMigrations(run, async (migrations, { terminal }) => {
    const { needsBootstrap, missing } = await migrations.state()
    if (!needsBootstrap && missing.length === 0) return 0
    await migrations.migrate()
    terminal.print('Database is up-to-date')
    return 0
  })
}

async function bootstrap(migrations: StoreMigrations, { terminal, options, settings }: MigrationsRun): Promise<number> {
  const { needsBootstrap, missing } = await migrations.state()
  // As in Kong: it runs migrations that were run, which change nothing, and never empties the store.
  if (!needsBootstrap && options['force'] === undefined) {
    terminal.print('Database already bootstrapped')
    if (missing.length > 0) terminal.print(NEW_AVAILABLE)
    return 0
  }
  terminal.print('Bootstrapping database...')
  return migrate(migrations, { terminal, settings }, needsBootstrap ? null : missing)
}

/** `missing` are the steps to come; null: all there are. */
async function migrate(
  migrations: StoreMigrations,
  { terminal, settings }: Pick<MigrationsRun, 'terminal' | 'settings'>,
  missing: readonly string[] | null,
): Promise<number> {
  terminal.print(`migrating core on store '${settings.storage}'...`)
  await migrations.migrate()
  const steps = missing ?? (await migrations.state()).executed
  for (const step of steps) terminal.print(`core migrated up to: ${step} (executed)`)
  terminal.print(`${steps.length} migration${steps.length === 1 ? '' : 's'} processed`)
  terminal.print('Database is up-to-date')
  return 0
}

async function up(migrations: StoreMigrations, { terminal, settings }: MigrationsRun): Promise<number> {
  const { needsBootstrap, missing } = await migrations.state()
  if (needsBootstrap) throw new CliError(`cannot run migrations: ${NEEDS_BOOTSTRAP}`)
  if (missing.length === 0) {
    terminal.print('Database is already up-to-date')
    return 0
  }
  return migrate(migrations, { terminal, settings }, missing)
}

/** Every step is complete when `up` returns, so nothing is ever pending. */
async function finish(migrations: StoreMigrations, { terminal }: MigrationsRun): Promise<number> {
  const { needsBootstrap, missing } = await migrations.state()
  if (needsBootstrap) throw new CliError(`cannot run migrations: ${NEEDS_BOOTSTRAP}`)
  terminal.print('No pending migrations to finish')
  if (missing.length > 0) terminal.print(NEW_AVAILABLE)
  return 0
}

async function list(migrations: StoreMigrations, { terminal, options }: MigrationsRun): Promise<number> {
  const { needsBootstrap, executed, missing } = await migrations.state()
  if (options['json'] !== undefined) {
    const found = { needs_bootstrap: needsBootstrap, executed, ...(missing.length > 0 ? { new: missing } : {}) }
    terminal.printRaw(JSON.stringify(found))
  } else if (needsBootstrap) {
    terminal.print(`Database needs bootstrapping or is older than Kong 1.0.\n\n${NEEDS_BOOTSTRAP}`)
  } else {
    terminal.print(`Executed migrations:\n  core: ${executed.join(', ')}`)
    if (missing.length > 0)
      terminal.print(`\nNew migrations available:\n  core: ${missing.join(', ')}\n\n${NEW_AVAILABLE}`)
  }
  if (needsBootstrap) return NEEDS_BOOTSTRAP_CODE
  return missing.length > 0 ? NEW_AVAILABLE_CODE : 0
}

async function status(migrations: StoreMigrations, { terminal }: MigrationsRun): Promise<number> {
  const { needsBootstrap, executed, missing } = await migrations.state()
  const ofCore = (names: readonly string[]) => [{ subsystem: 'core', migrations: names }]
  terminal.printRaw(
    JSON.stringify({
      needs_bootstrap: needsBootstrap,
      executed_migrations: needsBootstrap ? [] : ofCore(executed),
      ...(missing.length > 0 ? { new_migrations: ofCore(missing) } : {}),
    }),
  )
  return 0
}

async function reset(migrations: StoreMigrations, { settings, terminal, options }: MigrationsRun): Promise<number> {
  const { needsBootstrap } = await migrations.state()
  if (options['yes'] === undefined) {
    if (!process.stdin.isTTY) {
      throw new CliError("not a tty: invoke 'reset' non-interactively with the --yes flag")
    }
    if (!needsBootstrap && !(await confirm('Are you sure? This operation is irreversible.'))) {
      terminal.print('cancelled')
      return 0
    }
  }
  if (needsBootstrap) {
    terminal.print('Database not bootstrapped, nothing to reset')
    return 1
  }
  if (findRunning(prefixPaths(settings.prefix)) !== null) {
    throw new CliError(`a node is running in ${settings.prefix}: stop it first`)
  }
  terminal.print('Resetting database...')
  await migrations.reset()
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
