/** Public or private keys, as JWK or PEM, that plugins verify and decrypt with. */
import { createPublicKey, type JsonWebKeyInput, createPrivateKey } from 'node:crypto'
import { publicHalf } from '../schema/certificate-formats.ts'
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import { isVaultReference } from '../base/vault-reference.ts'
import * as typedefs from '../schema/typedefs.ts'

type Row = Readonly<Record<string, unknown>>

function readOrNull<Value>(read: () => Value): Value | null {
  try {
    return read()
  } catch {
    // Whatever is wrong with it, the text for clients is the same.
    return null
  }
}

function pemError(pem: Row): string | null {
  const { public_key, private_key } = pem
  if (isVaultReference(public_key) || isVaultReference(private_key)) return null
  const publicKey = typeof public_key === 'string' ? readOrNull(() => createPublicKey(public_key)) : undefined
  if (publicKey === null || (typeof public_key === 'string' && public_key.includes('PRIVATE KEY'))) {
    return 'could not load public key'
  }
  const privateKey = typeof private_key === 'string' ? readOrNull(() => createPrivateKey(private_key)) : undefined
  if (privateKey === null) return 'could not load private key'
  if (publicKey === undefined || privateKey === undefined) return null
  return publicHalf(publicKey) === publicHalf(privateKey) ? null : 'public key does not match private key'
}

function jwkError(text: string, kid: unknown): string | null {
  const jwk = readOrNull(() => JSON.parse(text) as unknown)
  if (typeof jwk !== 'object' || jwk === null) return 'could not json decode jwk string'
  if ((jwk as Row)['kid'] !== kid) return 'kid in jwk.kid must be equal to keys.kid'
  const input = { key: jwk, format: 'jwk' } as JsonWebKeyInput
  // A symmetric key (`oct`) needs no parsing beyond its one member.
  const isSymmetric = (jwk as Row)['kty'] === 'oct' && typeof (jwk as Row)['k'] === 'string'
  if (isSymmetric || readOrNull(() => createPublicKey(input)) !== null) return null
  return 'could not load JWK, likely not a valid key'
}

function keyError(row: Row): string | null {
  const { jwk, pem, kid } = row
  if (typeof jwk === 'string') return jwkError(jwk, kid)
  if (typeof pem !== 'object' || pem === null) return null
  const { private_key, public_key } = pem as Row
  return (private_key ?? public_key ?? null) === null
    ? 'need to supply a PEM formatted public and/or private key.'
    : null
}

export const keys = defineEntity({
  name: 'keys',
  endpoint_key: 'name',
  cache_key: ['kid', 'set'],
  fields: {
    id: field.id(),
    set: field.foreign('key_sets', { required: false, on_delete: 'cascade', description: 'The set it belongs to.' }),
    name: field.string({ required: false, unique: true }),
    kid: field.string({ required: true, unique: false, description: 'Names the key in tokens.' }),
    jwk: field.string({ referenceable: true, encrypted: true }),
    pem: field.record(
      {
        private_key: field.string({ required: false, referenceable: true, encrypted: true }),
        public_key: field.string({ referenceable: true, required: false }),
      },
      {
        required: false,
        entity_checks: [{ at_least_one_of: ['private_key', 'public_key'] }],
        custom_validator: pemError,
      },
    ),
    tags: typedefs.tags(),
    created_at: typedefs.autoTimestampS(),
    updated_at: typedefs.autoTimestampS(),
  },
  entity_checks: [
    { mutually_exclusive: ['jwk', 'pem'] },
    { at_least_one_of: ['jwk', 'pem'] },
    { custom_entity_check: { field_sources: ['jwk', 'pem', 'kid'], fn: keyError } },
  ],
})
