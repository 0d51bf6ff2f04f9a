/** Declarative files and the store, without a node: what `kong config` and `kong migrations` work on. */
import { hostname, userInfo } from 'node:os'
import { importRecorder } from '../admin/import-recorder.ts'
import { systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { systemRandom } from '../base/random.ts'
import { exportYaml } from '../declarative/export.ts'
import { type DeclarativeRow, type ParsedConfig, parseText } from '../declarative/parse.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import type { Settings } from '../settings/definition.ts'
import type { StoreMigrations } from '../store/migrations/store-migrations.ts'
import { createRepository } from '../store/repository.ts'
import type { ChangeRecorder } from '../store/row-changes.ts'
import type { EntityStore } from '../store/store.ts'
import { readDeclared } from './declarative-source.ts'
import { nodeCatalog } from './enabled-plugins.ts'
import { openMigrations, openStore } from './open-store.ts'

export { describeFailure } from './typescript-config.ts'
export { readText } from '../declarative/read-text.ts'
export { nodeCatalog } from './enabled-plugins.ts'
export { readDeclarativeFile } from './typescript-config.ts'

/** `filename` decides between JSON and YAML. */
export function parseConfiguration(settings: Settings, text: string, filename: string): ParsedConfig {
  return parseText(text, filename, {
    catalog: nodeCatalog(settings),
    nowMs: systemClock.now(),
    uuid: () => systemRandom.uuid(),
    randomBytes: count => systemRandom.bytes(count),
    partial: true,
    keepsTimes: true,
  })
}

/** What the settings declare; nothing when they declare nothing. Rejects when it cannot be read. */
export async function declaredRows(settings: Settings): Promise<readonly DeclarativeRow[]> {
  const catalog = nodeCatalog(settings)
  const declared = await readDeclared(settings, { catalog, clock: systemClock, random: systemRandom })
  return declared?.rows ?? []
}

/** Upserts all rows in one transaction, `file` in the audit log where there is one; what else is in the store stays. */
export async function importRows(settings: Settings, rows: readonly DeclarativeRow[], file: string): Promise<void> {
  const begin = settings.admin_audit_log ? () => commandRecorder(settings, file) : null
  await withStore(settings, (store, catalog) => {
    const observer = { begin }
    const repository = createRepository({ store, catalog, clock: systemClock, random: systemRandom, observer })
    const inputs = rows.map(({ entity, row }) => ({ entity, input: row }))
    // Parsing has transformed them already: a second time would hash the hash of a password.
    return repository.import(inputs, { transform: false })
  })
}

function commandRecorder(settings: Settings, file: string): ChangeRecorder {
  return importRecorder({
    clock: systemClock,
    random: systemRandom,
    retentionDays: settings.admin_audit_log_days,
    user: userName(),
    hostname: hostname(),
    file,
  })
}

/** A container's user may have no name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.()}`
  }
}

/** The whole store as a declarative file. */
export function exportConfiguration(settings: Settings): Promise<string> {
  return withStore(settings, async (store, catalog) => {
    const rows = new Map<string, Row[]>()
    const { batches } = await store.export()
    for await (const batch of batches) {
      for (const { entity, row } of batch) {
        const list = rows.get(entity)
        if (list === undefined) rows.set(entity, [row])
        else list.push(row)
      }
    }
    return exportYaml({ catalog, rows: entity => rows.get(entity) ?? [] })
  })
}

/** Whoever opens them must close them. */
export function migrationsOf(settings: Settings, lockMsMax: number): Promise<StoreMigrations> {
  return openMigrations({ settings, catalog: nodeCatalog(settings), clock: systemClock, lockMsMax })
}

export async function withStore<T>(
  settings: Settings,
  work: (store: EntityStore, catalog: EntityCatalog) => Promise<T>,
): Promise<T> {
  const catalog = nodeCatalog(settings)
  const store = await openStore({ settings, catalog, clock: systemClock, log: silentLogger })
  try {
    return await work(store, catalog)
  } finally {
    await store.close()
  }
}
