/** The configuration that a node without a database of its own keeps on disk: a data plane, or one without a database. */
import { resolve } from 'node:path'
import { openSavedConfig, type SavedConfig } from '../cluster/saved-config.ts'
import type { Endings, NodeContext } from './node-context.ts'

export function openNodeConfig({ settings, catalog, clock, random, log }: NodeContext, endings: Endings): SavedConfig {
  const saved = openSavedConfig({
    path: resolve(settings.prefix, settings.saved_config_path),
    encryptionKey: settings.saved_config_encryption_key,
    bytesMax: settings.lmdb_map_size,
    clock,
    random,
    logger: log,
    entities: catalog.definitions.map(definition => definition.name),
  })
  endings.add(() => saved.close())
  return saved
}
