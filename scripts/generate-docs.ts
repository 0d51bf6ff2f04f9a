/** Writes the files that follow from the definitions: `node scripts/generate-docs.ts`. A test fails when they drift. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundledCatalog } from './bundled-catalog.ts'
import { entityPaths, entityTypes } from './generate-types.ts'
import { adminPage } from './generate-admin-docs.ts'
import { pluginPages } from './generate-plugin-docs.ts'
import { fileSchema } from '../src/declarative/file-schema.ts'
import { defaultConf, settingsReference } from '../src/settings/settings-reference.ts'

/** Path from the root of the repository, and what belongs there. */
export const generated: Readonly<Record<string, () => string>> = {
  'kong.conf.default': defaultConf,
  'docs/configuration.md': settingsReference,
  'docs/admin-api.md': adminPage,
  ...pluginPages,
  'schemas/kong.schema.json': () => `${JSON.stringify(fileSchema(bundledCatalog), null, 1)}\n`,
  'src/configuration/entity-types.ts': entityTypes,
  'src/client/entity-paths.ts': entityPaths,
}

export const generatedPath = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))

if (import.meta.main) {
  for (const [name, make] of Object.entries(generated)) {
    const path = generatedPath(name)
    const text = make()
    let before = ''
    try {
      before = readFileSync(path, 'utf8')
    } catch {
      // Not there yet.
    }
    if (before === text) continue
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    console.log(`wrote ${name}`)
  }
}
