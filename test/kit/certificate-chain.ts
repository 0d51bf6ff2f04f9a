/** An authority, some authorities below it, and a certificate at the end, made on the spot. */
import { generateKey, issue, selfSigned } from '../../src/base/certificates.ts'

export interface CertificateChain {
  /** PEM of the root. */
  readonly authority: string
  /** PEM of the leaf and of what is between it and the root, as a server sends it. */
  readonly cert: string
  readonly key: string
}

export async function certificateChain(commonName: string, between: number): Promise<CertificateChain> {
  const validity = { notBefore: new Date('2020-01-01'), notAfter: new Date('2090-01-01') }
  let key = await generateKey('P-256')
  const root = selfSigned({ subject: { CN: 'root' }, key, isAuthority: true, ...validity })
  let authority = { certificate: root, privateKey: key.privateKey }
  const chain: string[] = []
  for (let i = 0; i < between; i++) {
    key = await generateKey('P-256')
    const subject = { CN: `between ${i}` }
    const certificate = issue({ subject, publicKey: key.publicKey, authority, isAuthority: true, ...validity })
    chain.unshift(certificate)
    authority = { certificate, privateKey: key.privateKey }
  }
  const own = await generateKey('P-256')
  const names = { subject: { CN: commonName }, dnsNames: [commonName] }
  const leaf = issue({ ...names, publicKey: own.publicKey, authority, ...validity })
  return { authority: root, cert: [leaf, ...chain].join('\n'), key: own.privateKey }
}
