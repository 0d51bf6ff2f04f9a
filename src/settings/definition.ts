/** kong.conf as one schema: every property of Kong 3.9 and of our own, in the order in which the file lists them. */
import { adminAccess } from './sections/admin-access.ts'
import { datastore, names, remaining } from './sections/datastore.ts'
import { general } from './sections/general.ts'
import { hybrid } from './sections/hybrid.ts'
import { listeners } from './sections/listeners.ts'
import { tls } from './sections/tls.ts'
import type { ParsedOf, Properties, Section } from './property.ts'

export const sections: readonly Section[] = [general, hybrid, listeners, adminAccess, tls, datastore, names, remaining]

const all = {
  ...general.properties,
  ...hybrid.properties,
  ...listeners.properties,
  ...adminAccess.properties,
  ...tls.properties,
  ...datastore.properties,
  ...names.properties,
  ...remaining.properties,
}

export const properties: Properties = all

export type PropertyName = keyof typeof all

/** Families of names that are not listed one by one: passed on to nginx by Kong, or read by plugins and vaults. */
export const DYNAMIC_NAME =
  /^(?:nginx_(?:main|events|http|upstream|proxy|location|status|admin|stream|supstream|sproxy|wasm)_|pluginserver_|vault_)[a-z0-9_]+$/

/** All values, parsed, under the names of the file. Plain data: may be sent to another process. */
export type Settings = {
  readonly [Name in PropertyName]: Name extends keyof Resolved ? Resolved[Name] : ParsedOf<(typeof all)[Name]>
} & {
  /** Members of the dynamic families that were given, as text. */
  readonly dynamic: Readonly<Record<string, string>>
}

/** Properties whose default depends on others, so that they always have a value in the end. */
interface Resolved {
  readonly cluster_mtls: 'enroll' | 'shared' | 'pki'
}
