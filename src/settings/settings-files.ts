/** The few looks at the file system that loading settings takes; injected, so that tests need no files. */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

export interface SettingsFiles {
  /** Throws what `node:fs` throws. */
  read(path: string): string
  exists(path: string): boolean
  /** True when the folder is there and can be written, or could be made. */
  isWritableFolder(path: string): boolean
  /** What relative paths start from. */
  readonly folder: string
}

/** Certificates, passwords and settings are small; anything larger was named by mistake. */
export const FILE_BYTES_MAX = 4 * 1024 * 1024

export function systemFiles(folder: string): SettingsFiles {
  return {
    folder,
    read(path) {
      if (statSync(path).size > FILE_BYTES_MAX) throw new Error(`larger than ${FILE_BYTES_MAX} bytes`)
      return readFileSync(path, 'utf8')
    },
    exists: path => existsSync(path),
    isWritableFolder(path) {
      let folder = path
      while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
      try {
        accessSync(folder, constants.W_OK | constants.X_OK)
        return statSync(folder).isDirectory()
      } catch {
        return false
      }
    },
  }
}
