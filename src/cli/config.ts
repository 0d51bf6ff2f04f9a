/** `kong config`: declarative files, and the store as one. */
import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Settings } from '../settings/definition.ts'
import { CliError, type Command, type CommandContext, CONF_OPTION, type Invocation, PREFIX_OPTION } from './command.ts'
import { ADMIN_OPTIONS, readConfiguration } from './configuration-input.ts'
import { EXAMPLE_CONFIGURATION } from './example-configuration.ts'
import { loadRunningOrGiven } from './node-settings.ts'

const DEFAULT_FILE = './kong.yml'

const command: Command = {
  name: 'config',
  description:
    'Use declarative configuration files: YAML, JSON, or TypeScript (kong.config.ts). lint and diff end with 0 when there ' +
    'is nothing to say, 2 when there is, and 1 when they could not do their work.',
  options: {
    conf: CONF_OPTION,
    prefix: PREFIX_OPTION,
    json: { description: 'lint, diff: print one JSON document, for scripts.' },
    ...ADMIN_OPTIONS,
    'select-tag': { value: 'TAG', description: 'diff: leave entities without this tag alone.', repeats: true },
    output: { short: 'o', value: 'FILE', description: 'from-openapi, schema: write there instead of to the output.' },
  },
  subcommands: {
    init: { arguments: '[<file>]', description: `Write an example to begin with (default ${DEFAULT_FILE}).` },
    parse: { arguments: '<file>', description: 'Check a file without using it.' },
    lint: { arguments: '<file>', description: 'Tell what a file allows itself, but probably does not mean.' },
    diff: {
      arguments: '<file> [<file>]',
      description: 'Tell what a file would change in the node that runs, or what tells one file from another.',
    },
    db_import: {
      arguments: '<file>',
      description: 'Write what a file holds into the store; what else is there stays.',
    },
    db_export: { arguments: '[<file>]', description: `Write the whole store into a file (default ${DEFAULT_FILE}).` },
    'from-openapi': {
      arguments: '<file>',
      description: 'Make services and routes from an OpenAPI description (YAML or JSON).',
    },
    schema: { description: 'Print the JSON Schema of declarative files, with the plugins of this node.' },
  },
  run(invocation, context) {
    const most = invocation.subcommand === 'diff' ? 2 : invocation.subcommand === 'schema' ? 0 : 1
    const surplus = invocation.positionals[most]
    if (surplus !== undefined) throw new CliError(`unexpected argument '${surplus}'`)
    return SUBCOMMANDS[invocation.subcommand!]!(invocation, context)
  },
}
export default command

type Run = (invocation: Invocation, context: CommandContext) => Promise<number>

/** Their modules are loaded when they are called. */
const SUBCOMMANDS: Readonly<Record<string, Run>> = {
  init: async (invocation, context) => writeExample(invocation, context),
  parse: (invocation, context) => parseFile(invocation, context),
  db_import: (invocation, context) => parseFile(invocation, context),
  db_export: (invocation, context) => exportStore(invocation, context),
  async lint(invocation, context) {
    const { lintFile } = await import('./config-lint.ts')
    return lintFile(settingsFor(invocation, context), neededFile(invocation), invocation, context)
  },
  async diff(invocation, context) {
    const { diffFiles } = await import('./config-diff.ts')
    return diffFiles(settingsFor(invocation, context), neededFile(invocation), invocation, context)
  },
  async 'from-openapi'(invocation, context) {
    const { convertOpenApi } = await import('./config-from-openapi.ts')
    return convertOpenApi(neededFile(invocation), invocation, context)
  },
  async schema(invocation, context) {
    const { printSchema } = await import('./config-from-openapi.ts')
    return printSchema(settingsFor(invocation, context), invocation, context)
  },
}

const settingsFor = (invocation: Invocation, context: CommandContext) =>
  loadRunningOrGiven(invocation, context).settings

function neededFile({ positionals }: Invocation): string {
  const [file] = positionals
  if (file === undefined) throw new CliError('expected a declarative configuration file; see `kong config --help`')
  return file
}

/** The gateway's own code is loaded only now: it knows the entities and plugins. */
const offline = () => import('../node/offline-config.ts')

function writeExample({ positionals }: Invocation, { folder }: CommandContext): number {
  const path = resolve(folder, positionals[0] ?? DEFAULT_FILE)
  if (existsSync(path)) throw new CliError(`${path} already exists.\nWill not overwrite it.`)
  writeFileSync(path, EXAMPLE_CONFIGURATION, { flag: 'wx' })
  return 0
}

async function parseFile(invocation: Invocation, context: CommandContext): Promise<number> {
  const settings = settingsFor(invocation, context)
  const isImport = invocation.subcommand === 'db_import'
  if (isImport) demandStore(settings, 'db_import')
  const { rows } = await readConfiguration(settings, neededFile(invocation), context)
  if (!isImport) {
    context.terminal.print('parse successful')
    return 0
  }
  context.terminal.print('parse successful, beginning import')
  const { importRows } = await offline()
  try {
    await importRows(settings, rows, resolve(context.folder, neededFile(invocation)))
  } catch (error) {
    throw new CliError(`Failed importing:\n${(error as Error).message}`)
  }
  context.terminal.print('import successful')
  return 0
}

async function exportStore(invocation: Invocation, context: CommandContext): Promise<number> {
  const { settings } = loadRunningOrGiven(invocation, context)
  demandStore(settings, 'db_export')
  const path = resolve(context.folder, invocation.positionals[0] ?? DEFAULT_FILE)
  if (existsSync(path)) throw new CliError(`${path} already exists. Will not overwrite it.`)
  const { exportConfiguration } = await offline()
  // Keys and passwords of consumers are in there.
  writeFileSync(path, await exportConfiguration(settings), { flag: 'wx', mode: 0o600 })
  return 0
}

function demandStore({ storage }: Settings, name: string): void {
  if (storage !== 'memory') return
  const hint = 'When using database=off, reload your declarative configuration\nusing the /config endpoint.'
  const only = `'kong config ${name}' only works with a database.`
  throw new CliError(name === 'db_import' ? `${only}\n${hint}` : only)
}
