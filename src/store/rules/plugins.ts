/** A plugin must be able to run: the protocols that it is given fit its route, or a route of its service. */
import type { Row } from '../../entities/config.ts'
import { schemaViolation } from '../violations.ts'
import { type EntityRules, rowsWhere } from './entity-rules.ts'

type Reference = { readonly id: string } | null | undefined

export const pluginRules: EntityRules = {
  async check(row, existing, { reads }, { input, isImported }) {
    // As in Kong, a new plugin may have its default protocols, though they fit no route yet.
    if (existing === null && (isImported || !Array.isArray(input['protocols']))) return
    const route = row['route'] as Reference
    const service = row['service'] as Reference
    if (existing !== null && ['protocols', 'route', 'service'].every(field => isSame(row[field], existing[field]))) {
      return
    }
    if (route) {
      const found = await reads.find('routes', route.id)
      if (found !== null && !sharesProtocol(row, found)) {
        throw schemaViolation({ protocols: "must match the associated route's protocols" })
      }
    } else if (service) {
      let routes = 0
      for await (const found of rowsWhere(reads, 'routes', { service: service.id })) {
        if (sharesProtocol(row, found)) return
        routes += 1
      }
      // A service without routes yet may get a fitting one.
      if (routes === 0) return
      const protocols = "must match the protocols of at least one route pointing to this Plugin's service"
      throw schemaViolation({ protocols })
    }
  },
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null)
}

function sharesProtocol(plugin: Row, route: Row): boolean {
  const protocols = new Set(plugin['protocols'] as string[])
  return ((route['protocols'] ?? []) as string[]).some(protocol => protocols.has(protocol))
}
