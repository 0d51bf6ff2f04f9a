/** The merged settings as a conf file (`.kong_env`): what later commands and the node itself read. */
import { resolve } from 'node:path'
import { isVaultReference } from '../base/vault-reference.ts'
import { formatConfEntry } from './conf-file.ts'
import { properties } from './definition.ts'
import type { LoadedSettings } from './load.ts'
import type { Property } from './property.ts'
import type { SettingsFiles } from './settings-files.ts'

export interface SavedSettings {
  /** Holds secrets: to be written for the owner only. */
  readonly conf: string
  /** Values of several lines, which the syntax cannot hold: file name in the prefix, and content. */
  readonly attachments: ReadonlyMap<string, string>
}

const HEADER = '# Settings of the running node, as merged at its start. Written by `kong`; changes are overwritten.\n'

/** Vault references stay references; relative paths become absolute, since later commands run elsewhere. */
export function saveSettings(loaded: LoadedSettings, files: SettingsFiles): SavedSettings {
  const attachments = new Map<string, string>()
  let conf = HEADER + formatConfEntry('prefix', loaded.settings.prefix)
  for (const [name, text] of [...loaded.texts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (name === 'prefix' || properties[name]?.transient) continue
    const lasting = lastingText(text, properties[name], files)
    if (/[\r\n]/.test(lasting)) {
      attachments.set(`.${name}`, lasting)
      conf += formatConfEntry(`${name}_file`, resolve(loaded.settings.prefix, `.${name}`))
    } else conf += formatConfEntry(name, lasting)
  }
  return { conf, attachments }
}

/** What `saveSettings` leaves out: to be handed to the node in another way. */
export function transientTexts({ texts }: LoadedSettings): Record<string, string> {
  return Object.fromEntries([...texts].filter(([name]) => properties[name]?.transient))
}

function lastingText(text: string, property: Property | undefined, files: SettingsFiles): string {
  switch (property?.type) {
    case 'certificate':
    case 'key':
      return lastingMaterial(text, files)
    case 'certificates':
    case 'revocation_lists':
    case 'keys':
      return text
        .split(',')
        .map(item => lastingMaterial(item.trim(), files))
        .join(',')
    case 'string':
      return property.path && !isVaultReference(text) ? resolve(files.folder, text) : text
    case 'array':
      return property.path
        ? text
            .split(',')
            .map(item => lastingMaterial(item.trim(), files))
            .join(',')
        : text
    default:
      return text
  }
}

/** PEM text goes onto one line as base64; what is a file gets its whole path. */
function lastingMaterial(text: string, files: SettingsFiles): string {
  if (text.includes('-----BEGIN ')) return Buffer.from(text).toString('base64')
  if (isVaultReference(text) || text.length > 4096) return text
  const path = resolve(files.folder, text)
  return files.exists(path) ? path : text
}
