/** The file that `kong dev` runs: read, told about, and put into the node. */
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { diffConfigurations } from '../declarative/diff.ts'
import type { NamedRow } from '../declarative/naming.ts'
import type { Settings } from '../settings/definition.ts'
import type { NodeHandle, WholeConfiguration } from './node-handle.ts'
import type { Terminal } from './terminal.ts'

/** Changes of one save that are listed. */
const CHANGES_MAX = 20

export class DevConfiguration {
  readonly #path: string
  readonly #settings: Settings
  readonly #terminal: Terminal
  #rows: readonly NamedRow[] = []
  #files: readonly string[]

  constructor(path: string, settings: Settings, terminal: Terminal) {
    this.#path = path
    this.#settings = { ...settings, declarative_config: path, declarative_config_string: null }
    this.#terminal = terminal
    this.#files = [path]
  }

  /** What a change of would change the configuration; when it cannot be read, what was known before, too. */
  get files(): readonly string[] {
    return this.#files
  }

  /** Null when it cannot be used; then its errors have been printed. */
  async read(): Promise<WholeConfiguration | null> {
    const { readDeclared } = await import('../node/declarative-source.ts')
    const { nodeCatalog } = await import('../node/enabled-plugins.ts')
    try {
      const catalog = nodeCatalog(this.#settings)
      const config = await readDeclared(this.#settings, { catalog, clock: systemClock, random: systemRandom })
      this.#files = config?.files ?? [this.#path]
      return config
    } catch (error) {
      const { message, files = [] } = error as Error & { readonly files?: readonly string[] }
      this.#files = [...new Set([...this.#files, ...files])]
      this.#fail(message)
      return null
    }
  }

  async apply(config: WholeConfiguration | null, handle: NodeHandle): Promise<void> {
    if (config === null) return
    try {
      await handle.replaceConfiguration(config)
    } catch (error) {
      return this.#fail((error as Error).message)
    }
    await this.#tell(config.rows)
    this.#rows = config.rows
  }

  async #tell(rows: readonly NamedRow[]): Promise<void> {
    const { nodeCatalog } = await import('../node/enabled-plugins.ts')
    const isFirst = this.#rows.length === 0
    const changes = diffConfigurations(nodeCatalog(this.#settings), this.#rows, rows)
    this.#terminal.print(`${time()} ${isFirst ? 'loaded' : 'reloaded'}: ${counted(rows)}`)
    if (isFirst) return
    const sign = { add: '+', change: '~', remove: '-' }
    for (const { kind, label, fields } of changes.slice(0, CHANGES_MAX)) {
      const names = fields.length === 0 ? '' : `: ${fields.map(({ path }) => path).join(', ')}`
      this.#terminal.print(`  ${sign[kind]} ${label}${names}`)
    }
    if (changes.length > CHANGES_MAX) this.#terminal.print(`  and ${changes.length - CHANGES_MAX} more`)
  }

  #fail(message: string): void {
    const hint = this.#rows.length === 0 ? 'nothing is served until it is right' : 'what was loaded last serves on'
    this.#terminal.print(`${time()} not loaded, ${hint}:\n${message}`)
  }
}

const time = () => new Date(systemClock.now()).toTimeString().slice(0, 8)

function counted(rows: readonly NamedRow[]): string {
  const counts = [...Map.groupBy(rows, ({ entity }) => entity)].filter(([entity]) => entity !== 'workspaces')
  const texts = counts.map(([entity, { length }]) => {
    const name = entity.replaceAll('_', ' ')
    return `${length} ${length === 1 ? name.replace(/s$/, '') : name}`
  })
  return texts.join(', ') || 'nothing in it'
}
