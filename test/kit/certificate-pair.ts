/** Certificates for tests, made on the spot. */
import { generateKeyPairSync } from 'node:crypto'
import { selfSigned } from '../../src/base/certificates.ts'

type KeyType = 'ec' | 'rsa'

function generateKey(type: KeyType): { readonly privateKey: string; readonly publicKey: string } {
  const publicKeyEncoding = { type: 'spki', format: 'pem' } as const
  const privateKeyEncoding = { type: 'pkcs8', format: 'pem' } as const
  return type === 'ec'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256', publicKeyEncoding, privateKeyEncoding })
    : generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding, privateKeyEncoding })
}

export function selfSignedPair(
  commonName: string,
  type: KeyType = 'ec',
): { readonly cert: string; readonly key: string } {
  const { privateKey, publicKey } = generateKey(type)
  const cert = selfSigned({
    subject: { CN: commonName },
    key: { privateKey, publicKey },
    notBefore: new Date('2020-01-01'),
    notAfter: new Date('2090-01-01'),
    dnsNames: [commonName],
  })
  return { cert, key: privateKey }
}
