/** `{vault://<vault>/<resource>[/<key>][?option=value][#version]}`: a secret named instead of written down. */

export interface VaultReference {
  /** Type of a vault (`env`), or the prefix of a vault entity. */
  readonly vault: string
  readonly resource: string
  /** Member of the secret, when that is a JSON object. */
  readonly key: string | null
  readonly options: Readonly<Record<string, string>>
  /** 1 is current, 2 the one before it. */
  readonly version: number | null
}

const REFERENCE = /^\{vault:\/\/([^/?#}]+)\/([^?#}]+)(?:\?([^#}]*))?(?:#(\d{1,9}))?\}$/

export function isVaultReference(text: unknown): boolean {
  return typeof text === 'string' && text.startsWith('{vault://') && text.endsWith('}')
}

/** Null when the text looks like a reference but is not a well-formed one. */
export function parseVaultReference(text: string): VaultReference | null {
  const match = REFERENCE.exec(text)
  if (match === null) return null
  const path = decode(match[2]!)
  const vault = decode(match[1]!)
  if (path === null || vault === null) return null
  const { resource, key } = splitPath(path)
  if (resource === '') return null
  return {
    vault,
    resource,
    key,
    options: Object.fromEntries(new URLSearchParams(match[3] ?? '')),
    version: match[4] === undefined ? null : Number(match[4]),
  }
}

/** With two or more segments the last is the key, unless a slash follows it. */
function splitPath(path: string): { resource: string; key: string | null } {
  if (path.endsWith('/')) return { resource: path.slice(0, -1), key: null }
  const slash = path.lastIndexOf('/')
  return slash <= 0 ? { resource: path, key: null } : { resource: path.slice(0, slash), key: path.slice(slash + 1) }
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

export type Secret = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly error: string }

/** The secret itself, or its member `key`. `found` is what the vault answered, null for nothing. Texts as in Kong. */
export function pickSecret(found: string | null, key: string | null): Secret {
  if (found === null) return { ok: false, error: 'could not get value from external vault (no value found)' }
  if (key === null) return { ok: true, value: found }
  let parsed: unknown
  try {
    parsed = JSON.parse(found)
  } catch {
    return { ok: false, error: 'could not get subfield value: unable to json decode secret' }
  }
  const member = typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>)[key] : undefined
  if (typeof member !== 'string') {
    return { ok: false, error: `could not get subfield value: subfield ${key} not found in JSON secret` }
  }
  return { ok: true, value: member }
}

/** How the `env` vault names variables: upper case, dashes as underscores, `_PREVIOUS` for version 2. */
export function environmentSecretName(resource: string, prefix: string | null, version: number | null): string {
  const name = `${prefix ?? ''}${resource}`.toUpperCase().replaceAll('-', '_')
  return version === 2 ? `${name}_PREVIOUS` : name
}
