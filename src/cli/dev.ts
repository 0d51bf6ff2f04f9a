/** `kong dev`: a node without a database that runs one file, again at each change of it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { systemClock } from '../base/clock.ts'
import type { LoadedSettings } from '../settings/load.ts'
import { CliError, type Command, type CommandContext, CONF_OPTION, type Invocation, PREFIX_OPTION } from './command.ts'
import { DevConfiguration } from './dev-configuration.ts'
import { FileWatch } from './file-watch.ts'
import type { NodeHandle } from './node-handle.ts'
import { runNode } from './node-process.ts'
import { loadGiven } from './node-settings.ts'
import { prefixPaths } from './prefix-folder.ts'
import { preparePrefix } from './prepare-prefix.ts'
import { findRunning } from './process-record.ts'

const command: Command = {
  name: 'dev',
  description:
    'Run a declarative file (YAML, JSON or TypeScript) in the foreground, and again at each change of it or of what it ' +
    'imports. A file with errors changes nothing: they are printed with their place, and the last good one serves on. ' +
    'Each request is told in a line with its route, service and times.',
  positionals: ['<file>'],
  options: {
    conf: CONF_OPTION,
    prefix: { ...PREFIX_OPTION, description: 'Prefix of the node (default: a temporary one).' },
  },
  async run(invocation, context) {
    const [file] = invocation.positionals
    if (file === undefined) throw new CliError('expected a file to run, as in: kong dev kong.yml')
    const temporary = invocation.options['prefix'] === undefined ? mkdtempSync(join(tmpdir(), 'kong-dev-')) : null
    try {
      const loaded = loadGiven(invocation, context, overrides(invocation, context, temporary))
      return await runFile(resolve(context.folder, file), loaded, context)
    } finally {
      if (temporary !== null) rmSync(temporary, { recursive: true, force: true })
    }
  },
}
export default command

/** What makes a node one for development; what the user says of the rest counts. */
function overrides({ options }: Invocation, { env }: CommandContext, prefix: string | null) {
  const given = (name: string) => env[`KONG_${name.toUpperCase()}`] !== undefined || options['conf'] !== undefined
  return {
    ...(prefix !== null && { prefix }),
    foreground: 'on',
    role: 'traditional',
    storage: 'memory',
    proxy_access_log: '/dev/stdout readable',
    admin_access_log: 'off',
    ...(!given('log_level') && { log_level: 'warn' }),
    ...(!given('nginx_worker_processes') && { nginx_worker_processes: '1' }),
    ...(!given('status_listen') && { status_listen: 'off' }),
  }
}

async function runFile(path: string, loaded: LoadedSettings, context: CommandContext): Promise<number> {
  const { terminal, env } = context
  if (findRunning(prefixPaths(loaded.settings.prefix)) !== null) {
    throw new CliError(`Kong is already running in ${loaded.settings.prefix}`)
  }
  const configuration = new DevConfiguration(path, loaded.settings, terminal)
  let handle: NodeHandle | null = null
  let current = await configuration.read()
  const watch = new FileWatch(systemClock)
  const follow = () => watch.follow(configuration.files, refresh)
  // Also while the node is still starting: then it starts with what was read last.
  const refresh = async () => {
    current = await configuration.read()
    if (handle !== null) await configuration.apply(current, handle)
    follow()
  }
  follow()
  try {
    await preparePrefix(loaded, context.folder)
    return await runNode({
      loaded,
      env,
      output: text => process.stdout.write(text),
      onReady(started) {
        handle = started
        for (const line of started.describe()) terminal.print(`  ${line}`)
        terminal.print(`  watching ${path}; Ctrl-C ends it`)
        void configuration.apply(current, started)
      },
    })
  } finally {
    watch.close()
  }
}
