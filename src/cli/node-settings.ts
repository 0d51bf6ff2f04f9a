/** Settings as the commands need them: of the node to start, and of the one that runs in a prefix. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { collectLayers, SEARCHED_FILES } from '../settings/layers.ts'
import { defaultPrefix, type LoadedSettings, loadSettings } from '../settings/load.ts'
import { systemFiles } from '../settings/settings-files.ts'
import { describeSettings } from '../settings/document.ts'
import { CliError, type CommandContext, type Invocation } from './command.ts'
import { type PrefixPaths, prefixPaths } from './prefix-folder.ts'

/** Throws all errors in one; warnings are printed. */
export function loadGiven(
  { options }: Invocation,
  { env, folder, terminal }: CommandContext,
  overrides: Readonly<Record<string, string | undefined>> = {},
): LoadedSettings {
  const loaded = loadSettings({
    file: options['conf'],
    env,
    overrides: { prefix: options['prefix'], ...overrides },
    files: systemFiles(folder),
  })
  for (const warning of loaded.warnings) terminal.warn(warning)
  if (!loaded.ok) throw new CliError(loaded.errors.join('\n'))
  terminal.verbose(loaded.file === null ? 'no config file, skip loading' : `reading config file at ${loaded.file}`)
  terminal.verbose(`prefix in use: ${loaded.settings.prefix}`)
  for (const line of describeSettings(loaded)) terminal.debug(line)
  return loaded
}

/**
 * The prefix that a command about a running node means. Other settings are not looked at: a node must be stoppable
 * whatever has become of its conf file.
 */
export function givenPrefix({ options }: Invocation, { env, folder }: CommandContext): PrefixPaths {
  const files = systemFiles(folder)
  const conf = options['conf']
  if (conf !== undefined && !files.exists(resolve(folder, conf))) throw new CliError(`no file at: ${conf}`)
  const file = conf ?? SEARCHED_FILES.find(path => files.exists(path)) ?? null
  const layers = collectLayers({ file, env, overrides: { prefix: options['prefix'] }, files })
  return prefixPaths(resolve(folder, layers.given.get('prefix')?.text ?? defaultPrefix(env, files)))
}

export function existingPrefix(invocation: Invocation, context: CommandContext): PrefixPaths {
  const paths = givenPrefix(invocation, context)
  if (!existsSync(paths.prefix)) throw new CliError(`no such prefix: ${paths.prefix}`)
  return paths
}

/** The settings of the node in this prefix, as it was started or last reloaded. */
export function loadRunning(
  paths: PrefixPaths,
  env: CommandContext['env'],
  transient: Readonly<Record<string, string>> = {},
): LoadedSettings {
  const loaded = loadSettings({
    file: paths.settings,
    env,
    ignoresEnvironment: true,
    overrides: transient,
    files: systemFiles(paths.prefix),
  })
  if (!loaded.ok) throw new CliError(`${paths.settings}: ${loaded.errors.join('\n')}`)
  return loaded
}

/** Of the running node where there is one, else as given: for commands that work with both. */
export function loadRunningOrGiven(invocation: Invocation, context: CommandContext): LoadedSettings {
  if (invocation.options['conf'] === undefined) {
    const paths = givenPrefix(invocation, context)
    if (existsSync(paths.settings)) return loadRunning(paths, context.env)
  }
  return loadGiven(invocation, context)
}
