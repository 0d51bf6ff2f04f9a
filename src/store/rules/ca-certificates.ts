/** A CA certificate that a service or plugin trusts stays, though they name it in a list and not by a foreign key. */
import type { EntityCatalog } from '../../entities/catalog.ts'
import type { Fields } from '../../schema/field.ts'
import { caStillReferenced } from '../violations.ts'
import { type EntityRules, rowsWhere } from './entity-rules.ts'

const FIELD = 'ca_certificates'

export const caCertificateRules: EntityRules = {
  async beforeDelete(key, { catalog, reads }) {
    for (const entity of entitiesWithList(catalog)) {
      for await (const row of rowsWhere(reads, entity, {})) {
        if (includes(row[FIELD], key)) throw caStillReferenced(key, entity, row['id'] as string)
      }
    }
    for (const [name, { config }] of catalog.plugins) {
      if (!hasList(config)) continue
      for await (const plugin of rowsWhere(reads, 'plugins', { name })) {
        const list = (plugin['config'] as Readonly<Record<string, unknown>>)[FIELD]
        if (includes(list, key)) throw caStillReferenced(key, 'plugins', plugin['id'] as string)
      }
    }
  },
}

function entitiesWithList(catalog: EntityCatalog): string[] {
  return catalog.definitions.filter(({ fields }) => hasList(fields)).map(({ name }) => name)
}

function hasList(fields: Fields): boolean {
  return FIELD in fields
}

function includes(list: unknown, key: string): boolean {
  return Array.isArray(list) && list.includes(key)
}
