/** `{vault://env/...}` in settings: whole values, or single items of a list. */
import {
  environmentSecretName,
  isVaultReference,
  parseVaultReference,
  pickSecret,
  type Secret,
} from '../base/vault-reference.ts'

export interface ReferenceContext {
  readonly env: Readonly<Record<string, string | undefined>>
  /** `vault_env_prefix`. */
  readonly prefix: string | null
  /** False when `vaults` leaves `env` out. */
  readonly enabled: boolean
}

/** The secret that a reference names, or Kong's text of why there is none. */
export function resolveReference(text: string, { env, prefix, enabled }: ReferenceContext): Secret {
  const reference = parseVaultReference(text)
  if (reference === null) return { ok: false, error: 'not a valid reference' }
  if (reference.vault !== 'env' || !enabled) return { ok: false, error: `could not find vault (${reference.vault})` }
  const name = environmentSecretName(reference.resource, reference.options['prefix'] ?? prefix, reference.version)
  return pickSecret(env[name] ?? null, reference.key)
}

export type Dereferenced =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly errors: string[] }

/** `text` with its references replaced; a list is looked through item by item. */
export function dereference(name: string, text: string, isList: boolean, context: ReferenceContext): Dereferenced {
  if (isVaultReference(text) && !(isList && text.includes(','))) {
    const secret = resolveReference(text, context)
    if (secret.ok) return { ok: true, text: secret.value }
    return { ok: false, errors: [`failed to dereference '${text}': ${secret.error} for config option '${name}'`] }
  }
  if (!isList || !text.includes('{vault://')) return { ok: true, text }
  const errors: string[] = []
  const items = text.split(',').map((item, index) => {
    const trimmed = item.trim()
    if (!isVaultReference(trimmed)) return trimmed
    const secret = resolveReference(trimmed, context)
    if (secret.ok) return secret.value
    const place = `'${name}[${index + 1}]'`
    errors.push(`failed to dereference '${trimmed}': ${secret.error} for config option ${place}`)
    return ''
  })
  return errors.length === 0 ? { ok: true, text: items.join(',') } : { ok: false, errors }
}
