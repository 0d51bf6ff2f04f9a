/** Certificates for tests, made on the spot. */
import { generateKeyPairSync } from 'node:crypto'
import { selfSigned } from '../../src/base/certificates.ts'

export function selfSignedPair(commonName: string): { readonly cert: string; readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const cert = selfSigned({
    subject: { CN: commonName },
    key: { privateKey, publicKey },
    notBefore: new Date('2020-01-01'),
    notAfter: new Date('2090-01-01'),
    dnsNames: [commonName],
  })
  return { cert, key: privateKey }
}
