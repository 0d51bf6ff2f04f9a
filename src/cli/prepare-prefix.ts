/** Puts the prefix of a node in order: folders, saved settings, certificates. */
import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import type { LoadedSettings } from '../settings/load.ts'
import { saveSettings } from '../settings/saved-settings.ts'
import { systemFiles } from '../settings/settings-files.ts'
import { makeDefaultCertificates } from './default-certificates.ts'
import { PrefixChanges, prefixPaths } from './prefix-folder.ts'

/** What was changed, for the caller to undo when the start fails. Undoes it itself when it fails. */
export async function preparePrefix(loaded: LoadedSettings, folder: string): Promise<PrefixChanges> {
  const paths = prefixPaths(loaded.settings.prefix)
  const changes = new PrefixChanges()
  try {
    for (const name of ['pids', 'logs', 'ssl']) changes.makeFolder(join(paths.prefix, name))
    writeSettings(loaded, folder, changes)
    await makeDefaultCertificates(loaded.settings, paths, changes, systemClock.now())
    return changes
  } catch (error) {
    changes.undo()
    throw error
  }
}

/** For the owner only: passwords and keys may be in there. */
export function writeSettings(loaded: LoadedSettings, folder: string, changes: PrefixChanges): void {
  const paths = prefixPaths(loaded.settings.prefix)
  const { conf, attachments } = saveSettings(loaded, systemFiles(folder))
  for (const [name, content] of attachments) changes.writeFile(join(paths.prefix, name), content, 0o600)
  changes.writeFile(paths.settings, conf, 0o600)
}
