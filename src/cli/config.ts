/** `kong config`: declarative files, and the store as one. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Settings } from '../settings/definition.ts'
import { CliError, type Command, type CommandContext, CONF_OPTION, type Invocation, PREFIX_OPTION } from './command.ts'
import { EXAMPLE_CONFIGURATION } from './example-configuration.ts'
import { loadRunningOrGiven } from './node-settings.ts'

const DEFAULT_FILE = './kong.yml'
/** Larger ones are no configuration; the parser would take all memory. */
const FILE_BYTES_MAX = 512 * 1024 * 1024

const command: Command = {
  name: 'config',
  description: 'Use declarative configuration files.',
  options: { conf: CONF_OPTION, prefix: PREFIX_OPTION },
  subcommands: {
    init: { arguments: '[<file>]', description: `Write an example to begin with (default ${DEFAULT_FILE}).` },
    parse: { arguments: '<file>', description: 'Check a file without using it.' },
    db_import: {
      arguments: '<file>',
      description: 'Write what a file holds into the store; what else is there stays.',
    },
    db_export: { arguments: '[<file>]', description: `Write the whole store into a file (default ${DEFAULT_FILE}).` },
  },
  async run(invocation, context) {
    if (invocation.positionals.length > 1) throw new CliError(`unexpected argument '${invocation.positionals[1]}'`)
    switch (invocation.subcommand) {
      case 'init':
        return writeExample(invocation, context)
      case 'db_export':
        return exportStore(invocation, context)
      default:
        return parseFile(invocation, context)
    }
  },
}
export default command

/** The gateway's own code is loaded only now: it knows the entities and plugins. */
const offline = () => import('../node/offline-config.ts')

function writeExample({ positionals }: Invocation, { folder }: CommandContext): number {
  const path = resolve(folder, positionals[0] ?? DEFAULT_FILE)
  if (existsSync(path)) throw new CliError(`${path} already exists.\nWill not overwrite it.`)
  writeFileSync(path, EXAMPLE_CONFIGURATION, { flag: 'wx' })
  return 0
}

async function parseFile(invocation: Invocation, context: CommandContext): Promise<number> {
  const { settings } = loadRunningOrGiven(invocation, context)
  const isImport = invocation.subcommand === 'db_import'
  if (isImport) demandStore(settings, 'db_import')
  const [file] = invocation.positionals
  if (file === undefined) throw new CliError('expected a declarative configuration file; see `kong config --help`')
  const { parseConfiguration, importRows, describeFailure } = await offline()
  const path = resolve(context.folder, file)
  const parsed = parseConfiguration(settings, readFile(path), path)
  if (!parsed.ok) throw new CliError(`Failed parsing:\n${describeFailure(file, parsed)}`)
  if (!isImport) {
    context.terminal.print('parse successful')
    return 0
  }
  context.terminal.print('parse successful, beginning import')
  try {
    await importRows(settings, parsed.rows)
  } catch (error) {
    throw new CliError(`Failed importing:\n${(error as Error).message}`)
  }
  context.terminal.print('import successful')
  return 0
}

function readFile(path: string): string {
  try {
    const bytes = readFileSync(path)
    if (bytes.length > FILE_BYTES_MAX) throw new Error(`larger than ${FILE_BYTES_MAX} bytes`)
    return bytes.toString('utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new CliError(`Failed parsing:\n${path}: ${code === 'ENOENT' ? 'No such file or directory' : message}`)
  }
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
