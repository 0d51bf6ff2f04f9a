/** Certificate revocation lists (RFC 5280, section 5) of authorities with P-256 keys, as PEM. */
import { createPrivateKey, sign, X509Certificate } from 'node:crypto'
import { der, readDer, readMembers } from '../../src/base/der.ts'

export interface RevocationListOptions {
  readonly authority: { readonly certificate: string; readonly privateKey: string }
  readonly revoked: readonly string[]
  /** Until when the list itself is good. */
  readonly until?: Date
}

/** `revoked` are certificates. */
export function revocationList({ authority, revoked, until = new Date('2090-01-01') }: RevocationListOptions): string {
  const since = new Date('2020-01-01')
  const entries = revoked.map(pem => {
    const serial = Buffer.from(new X509Certificate(pem).serialNumber, 'hex')
    return der.sequence(der.integer(serial), der.time(since))
  })
  const algorithm = der.sequence(der.oid('1.2.840.10045.4.3.2'))
  const members = [der.integer(Buffer.from([1])), algorithm, subjectOf(authority.certificate), der.time(since)]
  const body = der.sequence(...members, der.time(until), ...(entries.length === 0 ? [] : [der.sequence(...entries)]))
  const signature = sign('sha256', body, createPrivateKey(authority.privateKey))
  const list = der.sequence(body, algorithm, der.bitString(signature)).toString('base64')
  return `-----BEGIN X509 CRL-----\n${list.match(/.{1,64}/g)!.join('\n')}\n-----END X509 CRL-----\n`
}

function subjectOf(pem: string): Buffer {
  const [body] = readMembers(readDer(new X509Certificate(pem).raw))
  return readMembers(body!)[5]!.whole
}
