/** `kong reload`: a running node takes over new settings without dropping a connection. */
import { existsSync, readFileSync } from 'node:fs'
import { systemClock } from '../base/clock.ts'
import { pause } from '../base/pause.ts'
import { type LoadedSettings, loadSettings } from '../settings/load.ts'
import { systemFiles } from '../settings/settings-files.ts'
import {
  CliError,
  type Command,
  type CommandContext,
  CONF_OPTION,
  type Invocation,
  NGINX_OPTIONS,
  PREFIX_OPTION,
} from './command.ts'
import { send } from './ending.ts'
import { existingPrefix, loadRunning } from './node-settings.ts'
import type { ReloadReport } from './node-messages.ts'
import { PrefixChanges, type PrefixPaths } from './prefix-folder.ts'
import { writeSettings } from './prepare-prefix.ts'
import { findRunning, isAlive } from './process-record.ts'

/** New workers must be up and old ones may finish their requests; a node that takes longer says nothing any more. */
const REPORT_TIMEOUT_MS = 60_000
const POLL_MS = 20

const command: Command = {
  name: 'reload',
  description:
    'Let a running node take over changed settings (SIGHUP): those of the conf file, if one is given, on top of what it ' +
    'was started with. Wrong settings are told, and change nothing.',
  options: { conf: CONF_OPTION, prefix: PREFIX_OPTION, ...NGINX_OPTIONS },
  async run(invocation, context) {
    const paths = existingPrefix(invocation, context)
    const pid = findRunning(paths)
    if (pid === null) throw new CliError(`nginx not running in prefix: ${paths.prefix}`)
    const changes = new PrefixChanges()
    try {
      writeSettings(mergedSettings(invocation, context, paths), context.folder, changes)
      await reloadNode(paths, pid)
    } catch (error) {
      changes.undo()
      throw error
    }
    context.terminal.print('Kong reloaded')
    return 0
  },
}
export default command

/** What the node has, then the file, then the environment of this command. */
function mergedSettings({ options }: Invocation, { env, folder, terminal }: CommandContext, paths: PrefixPaths) {
  const running = loadRunning(paths, env)
  const loaded = loadSettings({
    file: options['conf'],
    env,
    searchedFiles: [],
    beneath: withoutConfiguration(running),
    overrides: { prefix: paths.prefix },
    files: systemFiles(folder),
  })
  for (const warning of loaded.warnings) terminal.warn(warning)
  if (!loaded.ok) throw new CliError(loaded.errors.join('\n'))
  if (loaded.settings.role !== running.settings.role) {
    throw new CliError(`the role of a running node cannot change (${running.settings.role}): use 'kong restart'`)
  }
  return loaded
}

/**
 * As in Kong, a declarative file is read anew only by a reload that names it: otherwise what `POST /config` brought
 * would be undone by each.
 */
function withoutConfiguration(running: LoadedSettings): LoadedSettings {
  const texts = new Map(running.texts)
  texts.delete('declarative_config')
  return { ...running, texts }
}

async function reloadNode(paths: PrefixPaths, pid: number): Promise<void> {
  const before = readReport(paths)?.count ?? 0
  send(pid, 'SIGHUP')
  const end = systemClock.monotonic() + REPORT_TIMEOUT_MS
  while (systemClock.monotonic() < end) {
    const report = readReport(paths)
    if (report !== null && report.count > before) {
      if (report.error !== null) throw new CliError(`could not reload: ${report.error}`)
      return
    }
    if (!isAlive(pid)) throw new CliError('the node ended while reloading')
    await pause(POLL_MS)
  }
  throw new CliError(`the node did not say within ${REPORT_TIMEOUT_MS / 1000} seconds that it has reloaded`)
}

function readReport(paths: PrefixPaths): ReloadReport | null {
  if (!existsSync(paths.reload)) return null
  try {
    return JSON.parse(readFileSync(paths.reload, 'utf8')) as ReloadReport
  } catch {
    // Read while it was being written: the next look will see it whole.
    return null
  }
}
