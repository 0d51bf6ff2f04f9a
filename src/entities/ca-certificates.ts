/** Certificates of authorities that upstreams and clients are verified against. */
import { X509Certificate } from 'node:crypto'
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import * as typedefs from '../schema/typedefs.ts'

type Row = Readonly<Record<string, unknown>>
const BEGIN = '-----BEGIN CERTIFICATE-----'

/** Expiry is judged by the time that the row says it was written at: entities know no clock. */
function authorityError(row: Row): string | null {
  const pem = row['cert']
  if (typeof pem !== 'string') return null
  if (pem.indexOf(BEGIN) !== pem.lastIndexOf(BEGIN)) return 'please submit only one certificate at a time'
  const certificate = new X509Certificate(pem)
  const writtenAt = (row['updated_at'] ?? row['created_at']) as number | null | undefined
  if (typeof writtenAt === 'number' && certificate.validToDate.getTime() < writtenAt * 1000) {
    return 'certificate expired, "Not After" time is in the past'
  }
  if (certificate.ca) return null
  return 'certificate does not appear to be a CA because it is missing the "CA" basic constraint'
}

export const caCertificates = defineEntity({
  name: 'ca_certificates',
  workspaceable: false,
  fields: {
    id: field.id(),
    created_at: typedefs.autoTimestampS(),
    updated_at: typedefs.autoTimestampS(),
    cert: typedefs.certificate({ required: true }),
    cert_digest: field.string({ unique: true }),
    tags: typedefs.tags(),
  },
  entity_checks: [{ custom_entity_check: { field_sources: ['cert'], fn: authorityError } }],
  transform(row) {
    if (typeof row['cert'] !== 'string') return row
    const digest = new X509Certificate(row['cert']).fingerprint256.replaceAll(':', '').toLowerCase()
    return { ...row, cert_digest: digest }
  },
})
