/** What `plugins.name`, `vaults.name` and `routes.protocols` select: further rules, one object per kind for ever. */
import * as field from '../schema/field.ts'
import type { Field, Fields } from '../schema/field.ts'
import type { EntityDefinition } from '../schema/entity.ts'
import { luaText } from '../schema/messages.ts'
import * as typedefs from '../schema/typedefs.ts'
import type { FieldErrors, Subschema } from '../schema/validate.ts'
import type { PluginSchema } from './plugin-schema.ts'
import { routeSubschemas } from './route-subschemas.ts'
import type { RouterFlavor } from './routes.ts'

type Row = Readonly<Record<string, unknown>>
export type SubschemaFinder = (row: Row) => Subschema | { readonly errors: FieldErrors } | null

export interface SubschemaOptions {
  readonly plugins: ReadonlyMap<string, PluginSchema>
  readonly vaults: ReadonlyMap<string, Fields>
  readonly router_flavor: RouterFlavor
}

/** By entity; the others have none. */
export function createSubschemaFinders(options: SubschemaOptions): ReadonlyMap<string, SubschemaFinder> {
  const routes = routeSubschemas(options.router_flavor)
  const plugins = new Map([...options.plugins].map(([name, schema]) => [name, pluginSubschema(schema)]))
  const vaults = new Map(
    [...options.vaults].map(([name, fields]) => [name, { fields: { config: field.record(fields) } }]),
  )
  const byName =
    (kinds: ReadonlyMap<string, Subschema>, text: (name: string) => string): SubschemaFinder =>
    row =>
      kinds.get(row['name'] as string) ?? { errors: { name: text(luaText(row['name'])) } }
  return new Map<string, SubschemaFinder>([
    ['routes', row => findRouteSubschema(routes, row['protocols'])],
    [
      'plugins',
      byName(plugins, name => `plugin '${name}' not enabled; add it to the 'plugins' configuration property`),
    ],
    ['vaults', byName(vaults, name => `vault '${name}' is not installed`)],
  ])
}

/** The first protocol that has one; a list of none of them names its first member. */
function findRouteSubschema(
  routes: ReadonlyMap<string, Subschema>,
  protocols: unknown,
): Subschema | { readonly errors: FieldErrors } {
  const list = Array.isArray(protocols) ? protocols : [protocols]
  for (const protocol of list) {
    const found = routes.get(protocol)
    if (found !== undefined) return found
  }
  return { errors: { protocols: `unknown type: ${luaText(list[0])}` } }
}

function pluginSubschema(schema: PluginSchema): Subschema {
  const { config_validator, scopes } = schema
  // Kong's plugins put rules either on the whole row, with dotted names, or on `config`.
  const checks = schema.entity_checks ?? []
  const outer = checks.filter(namesConfig)
  const inner = checks.filter(check => !namesConfig(check))
  const config = {
    ...field.record(schema.config),
    ...(inner.length > 0 && { entity_checks: inner }),
    ...(schema.shorthand_fields !== undefined && { shorthand_fields: schema.shorthand_fields }),
    ...(config_validator !== undefined && {
      custom_validator: (value: Row) => config_validator.call(schema, value),
    }),
  } as Field
  const fields: Record<string, Field> = { protocols: protocolsField(schema), config }
  if (!scopes.includes('consumer')) fields['consumer'] = typedefs.noConsumer()
  if (!scopes.includes('service')) fields['service'] = typedefs.noService()
  if (!scopes.includes('route')) fields['route'] = typedefs.noRoute()
  return { fields, entity_checks: outer }
}

function namesConfig(check: NonNullable<EntityDefinition['entity_checks']>[number]): boolean {
  return /"config\./.test(JSON.stringify(check))
}

/** In order of the alphabet, as Kong lists them, but for a default that the plugin orders itself. */
function protocolsField({ protocols, protocols_default }: PluginSchema): Field {
  const one_of = [...protocols].sort()
  return field.set(field.string({ one_of }), { required: true, default: protocols_default ?? one_of })
}
