/** `certificates.snis` is no column: the names are rows of `snis`, made and removed with the certificate's list. */
import type { Row } from '../../entities/config.ts'
import type { StoreReads } from '../store.ts'
import { schemaViolation } from '../violations.ts'
import { type EntityRules, rowsWhere } from './entity-rules.ts'

export const certificateRules: EntityRules = {
  normalize(row, input) {
    // Null means none; not given means as they are.
    if (input['snis'] === null) row['snis'] = []
  },

  async check(row, _existing, { reads }) {
    const names = namesOf(row)
    if (names === null) return
    const seen = new Set<string>()
    for (const name of names) {
      if (seen.has(name)) throw schemaViolation({ snis: `${name} is duplicated` })
      seen.add(name)
      const sni = await reads.findBy('snis', { name })
      const owner = sni === null ? null : (sni['certificate'] as { readonly id: string }).id
      if (owner !== null && owner !== row['id']) {
        throw schemaViolation({ snis: `${name} already associated with existing certificate '${owner}'` })
      }
    }
  },

  async afterWrite(row, { reads, insert, delete: remove }) {
    const names = namesOf(row)
    if (names === null) return
    const wanted = new Set(names)
    for (const sni of await snisOf(row, reads)) {
      if (!wanted.delete(sni['name'] as string)) await remove('snis', sni['id'] as string)
    }
    for (const name of wanted) await insert('snis', { name, certificate: { id: row['id'] } })
  },

  async beforeDelete(key, { reads, delete: remove }) {
    for (const sni of await snisOf({ id: key }, reads)) await remove('snis', sni['id'] as string)
  },

  async present(row, reads) {
    const names = (await snisOf(row, reads)).map(sni => sni['name'] as string)
    return { ...row, snis: names.sort() }
  },

  async locate(name, reads) {
    const sni = await reads.findBy('snis', { name })
    return sni === null ? null : (sni['certificate'] as { readonly id: string }).id
  },
}

/** Null when the list was not given: the names stay as they are. */
function namesOf(row: Row): readonly string[] | null {
  return Array.isArray(row['snis']) ? (row['snis'] as string[]) : null
}

async function snisOf(row: Row, reads: StoreReads): Promise<Row[]> {
  const snis: Row[] = []
  for await (const sni of rowsWhere(reads, 'snis', { certificate: row['id'] as string })) snis.push(sni)
  return snis
}
