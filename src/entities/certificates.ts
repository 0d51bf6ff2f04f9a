/** Certificates with their keys, for our TLS listeners and for TLS to upstreams. */
import { X509Certificate } from 'node:crypto'
import { publicHalf, readKey } from '../schema/certificate-formats.ts'
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

type Row = Readonly<Record<string, unknown>>

const pair = (certName: string, keyName: string, text: string) => ({
  custom_entity_check: {
    field_sources: [certName, keyName],
    fn(row: Row): string | null {
      const cert = row[certName]
      const key = row[keyName]
      if (typeof cert !== 'string' || typeof key !== 'string') return null
      return publicHalf(new X509Certificate(cert).publicKey) === publicHalf(readKey(key)) ? null : text
    },
  },
})

function keyType(pem: string): string | undefined {
  return new X509Certificate(pem).publicKey.asymmetricKeyType
}

function differentTypes(row: Row): string | null {
  const { cert, cert_alt } = row
  if (typeof cert !== 'string' || typeof cert_alt !== 'string' || keyType(cert) !== keyType(cert_alt)) return null
  return (
    'certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), ' +
    'the provided certificates were both of the same type'
  )
}

export const certificates = defineEntity({
  name: 'certificates',
  fields: {
    id: field.id(),
    created_at: typedefs.autoTimestampS(),
    updated_at: typedefs.autoTimestampS(),
    cert: typedefs.certificate({ required: true, referenceable: true }),
    key: typedefs.key({ required: true, referenceable: true, encrypted: true }),
    cert_alt: typedefs.certificate({ required: false, referenceable: true }),
    key_alt: typedefs.key({ required: false, referenceable: true, encrypted: true }),
    tags: typedefs.tags(),
    snis: field.array(typedefs.wildcardHost(), { required: false, transient: true }),
  },
  entity_checks: [
    { mutually_required: ['cert_alt', 'key_alt'] },
    pair('cert', 'key', 'certificate does not match key'),
    pair('cert_alt', 'key_alt', 'alternative certificate does not match key'),
    { custom_entity_check: { field_sources: ['cert', 'cert_alt'], fn: differentTypes } },
  ],
})
