/** Secrets that stored rows name by `{vault://...}` instead of holding them; found when a row is compiled. */
import type { Logger } from '../base/logger.ts'
import { isVaultReference, parseVaultReference, pickSecret, type Secret } from '../base/vault-reference.ts'
import type { Row } from '../entities/config.ts'
import type { Field, Fields } from '../schema/field.ts'
import type { VaultDefinition } from '../sdk/vault.ts'

export interface VaultSources {
  /** Installed vaults by type. */
  readonly vaults: ReadonlyMap<string, VaultDefinition>
  /** The environment as it was when the node began. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly log: Logger
}

/** Looks references up; `findVault` gives the vault entity of a prefix. */
export type FindVault = (prefix: string) => Row | null

export class Secrets {
  readonly #sources: VaultSources
  readonly #findVault: FindVault

  constructor(sources: VaultSources, findVault: FindVault) {
    this.#sources = sources
    this.#findVault = findVault
  }

  /** The text itself, or what it refers to. What cannot be found is the empty text and a warning, as in Kong. */
  resolve(text: string): string {
    if (!isVaultReference(text)) return text
    const found = this.find(text)
    if (found.ok) return found.value
    this.#sources.log.warn(`secret '${text}' is not available: ${found.error}`)
    return ''
  }

  /** The secret of a reference, or why there is none. */
  find(text: string): Secret {
    const reference = parseVaultReference(text)
    if (reference === null) return { ok: false, error: 'not a well-formed reference' }
    const { vaults, environment } = this.#sources
    const entity = this.#findVault(reference.vault)
    const definition = vaults.get(entity === null ? reference.vault : String(entity['name']))
    if (definition === undefined) return { ok: false, error: `could not find vault (${reference.vault})` }
    const defaults = Object.fromEntries(Object.keys(definition.config).map(name => [name, null]))
    const config = { ...defaults, ...(entity?.['config'] as object | null), ...reference.options }
    const { resource, version } = reference
    const found = definition.prepare(config as never, { environment })({ resource, version })
    // Waiting here would make requests wait for a vault; a vault that answers later needs a cache of its own first.
    if (found instanceof Promise) return { ok: false, error: 'its vault does not answer at once' }
    return pickSecret(found, reference.key)
  }

  /** A value with the references in its `referenceable` fields resolved; the very same value if there are none. */
  inFields(fields: Fields, values: Row): Row {
    let resolved: Record<string, unknown> | null = null
    for (const name in fields) {
      const before = values[name]
      const after = this.#inField(fields[name]!, before)
      if (after === before) continue
      resolved ??= { ...values }
      resolved[name] = after
    }
    return resolved ?? values
  }

  #inField(field: Field, value: unknown): unknown {
    if (value === null || value === undefined) return value
    const { type, fields, elements, values } = field
    if (typeof value === 'string') return field.referenceable === true ? this.resolve(value) : value
    if (type === 'record' && fields !== undefined) return this.inFields(fields, value as Row)
    if (Array.isArray(value) && elements !== undefined) return sameOr(value, item => this.#inField(elements, item))
    if (type !== 'map' || values === undefined) return value
    const members = Object.keys(value as Row)
    return this.inFields(Object.fromEntries(members.map(name => [name, values])), value as Row)
  }
}

function sameOr(list: readonly unknown[], map: (item: unknown) => unknown): readonly unknown[] {
  const mapped = list.map(map)
  return mapped.every((item, i) => item === list[i]) ? list : mapped
}

/** Whether a value holds a reference anywhere, and so depends on vaults. */
export function hasReference(value: unknown): boolean {
  if (typeof value === 'string') return isVaultReference(value)
  return value !== null && typeof value === 'object' && Object.values(value).some(hasReference)
}
