/** Tells when one of some files changes: by their folders, since editors put a new file in the place of the old one. */
import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Clock } from '../base/clock.ts'

/** A save is several events; they are over by then. */
const QUIET_MS = 50

export class FileWatch {
  readonly #clock: Clock
  readonly #watchers = new Map<string, FSWatcher>()
  #names = new Map<string, Set<string>>()
  #changed: () => Promise<void> = async () => {}
  #timer = { cancel() {} }
  #isBusy = false
  #isMissed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** From now on these files, and no others. `changed` never runs twice at the same time. */
  follow(files: readonly string[], changed: () => Promise<void>): void {
    this.#changed = changed
    this.#names = new Map()
    for (const file of files) {
      const names = this.#names.get(dirname(file)) ?? new Set()
      this.#names.set(dirname(file), names.add(basename(file)))
    }
    for (const [folder, watcher] of this.#watchers) {
      if (this.#names.has(folder)) continue
      watcher.close()
      this.#watchers.delete(folder)
    }
    for (const folder of this.#names.keys()) {
      if (this.#watchers.has(folder)) continue
      const watcher = watch(folder, (_, name) => this.#note(folder, name))
      watcher.on('error', () => watcher.close())
      this.#watchers.set(folder, watcher)
    }
  }

  #note(folder: string, name: string | null): void {
    if (name !== null && this.#names.get(folder)?.has(name) !== true) return
    this.#timer.cancel()
    this.#timer = this.#clock.after(QUIET_MS, () => void this.#run())
  }

  async #run(): Promise<void> {
    if (this.#isBusy) {
      this.#isMissed = true
      return
    }
    this.#isBusy = true
    do {
      this.#isMissed = false
      await this.#changed()
    } while (this.#isMissed)
    this.#isBusy = false
  }

  close(): void {
    this.#timer.cancel()
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }
}
