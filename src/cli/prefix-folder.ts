/** The prefix of a node: which folders and files it holds, making them, and undoing that after a failed start. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CliError } from './command.ts'

export interface PrefixPaths {
  readonly prefix: string
  readonly pid: string
  readonly process: string
  readonly reload: string
  readonly settings: string
  readonly logs: string
  readonly certificates: string
}

export function prefixPaths(prefix: string): PrefixPaths {
  return {
    prefix,
    pid: join(prefix, 'pids', 'nginx.pid'),
    process: join(prefix, 'pids', 'node.json'),
    reload: join(prefix, 'pids', 'reload.json'),
    settings: join(prefix, '.kong_env'),
    logs: join(prefix, 'logs'),
    certificates: join(prefix, 'ssl'),
  }
}

/** What has been made so far, to be undone when the start fails. */
export class PrefixChanges {
  readonly #undo: (() => void)[] = []

  makeFolder(path: string): void {
    if (existsSync(path)) return
    this.makeFolder(dirname(path))
    try {
      mkdirSync(path, { mode: 0o755 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return
      throw new CliError(`could not create ${path}: ${(error as Error).message}; choose another place with -p`)
    }
    // Only an empty folder goes: whatever was put into it meanwhile stays.
    this.#undo.push(() => rmdirSync(path))
  }

  /** Whole or not at all: readers never see half of it. */
  writeFile(path: string, content: string, mode: number): void {
    const before = existsSync(path) ? readFileSync(path) : null
    const temporary = `${path}.${process.pid}.new`
    try {
      writeFileSync(temporary, content, { mode, flag: 'wx' })
      chmodSync(temporary, mode)
      renameSync(temporary, path)
    } catch (error) {
      rmSync(temporary, { force: true })
      throw new CliError(`could not write ${path}: ${(error as Error).message}`)
    }
    this.#undo.push(() => {
      if (before === null) rmSync(path, { force: true })
      else writeFileSync(path, before, { mode })
    })
  }

  undo(): void {
    for (const step of this.#undo.reverse()) {
      try {
        step()
      } catch {
        // A folder that is no longer empty, or a file that is gone: the rest must still be undone.
      }
    }
  }
}
