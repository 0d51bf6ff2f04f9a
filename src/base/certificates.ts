/**
 * Makes keys, certificates (RFC 5280) and certificate requests (RFC 2986).
 *
 * Reading and checking certificates is left to `X509Certificate` of node:crypto, which cannot make any. Written here in
 * 200 lines because the library for it adds 0.2 s to the start of every node.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import { promisify } from 'node:util'
import { der, readDer, readMembers } from './der.ts'
import { type Random, systemRandom } from './random.ts'

export type KeyAlgorithm = 'P-256' | 'P-384' | 'RSA-2048'

/** PEM texts: PKCS #8 and SubjectPublicKeyInfo. */
export interface KeyPairPem {
  readonly privateKey: string
  readonly publicKey: string
}

/** Only these attributes are written, in this order. */
export interface Subject {
  readonly C?: string
  readonly ST?: string
  readonly L?: string
  readonly O?: string
  readonly OU?: string
  readonly CN: string
}

interface Contents {
  readonly subject: Subject
  readonly notBefore: Date
  readonly notAfter: Date
  readonly isAuthority?: boolean
  readonly dnsNames?: readonly string[]
  readonly ipAddresses?: readonly string[]
  readonly uris?: readonly string[]
  readonly usages?: readonly ('server' | 'client')[]
  /** Version 1, without any extension. */
  readonly bare?: boolean
  /** Hex digits; random when left out. */
  readonly serial?: string
  readonly random?: Random
}

export interface SelfSignedOptions extends Contents {
  readonly key: KeyPairPem
}

export interface IssueOptions extends Contents {
  readonly authority: { readonly certificate: string; readonly privateKey: string }
  /** SubjectPublicKeyInfo, PEM. */
  readonly publicKey: string
}

const generate = promisify(generateKeyPair)

export async function generateKey(algorithm: KeyAlgorithm): Promise<KeyPairPem> {
  const { privateKey, publicKey } =
    algorithm === 'RSA-2048'
      ? await generate('rsa', { modulusLength: 2048 })
      : await generate('ec', { namedCurve: algorithm })
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  }
}

/** A certificate signed by its own key, as PEM. */
export function selfSigned(options: SelfSignedOptions): string {
  const name = encodeName(options.subject)
  const publicKey = createPublicKey(options.key.publicKey)
  return build(options, {
    issuer: name,
    issuerKeyId: keyId(publicKey),
    publicKey,
    signer: createPrivateKey(options.key.privateKey),
  })
}

/** A certificate signed by an authority, as PEM. */
export function issue({ authority, publicKey, ...options }: IssueOptions): string {
  const certificate = new X509Certificate(authority.certificate)
  return build(options, {
    issuer: subjectOf(certificate),
    issuerKeyId: keyId(certificate.publicKey),
    publicKey: createPublicKey(publicKey),
    signer: createPrivateKey(authority.privateKey),
  })
}

interface Signing {
  readonly issuer: Buffer
  readonly issuerKeyId: Buffer
  readonly publicKey: KeyObject
  readonly signer: KeyObject
}

function build(options: Contents, { issuer, issuerKeyId, publicKey, signer }: Signing): string {
  const { algorithm, hash } = signatureAlgorithm(signer)
  const { random = systemRandom, serial = random.bytes(16).toString('hex') } = options
  const body = der.sequence(
    ...(options.bare ? [] : [der.tagged(0, der.integer(Buffer.from([2])))]),
    der.integer(Buffer.from(serial.length % 2 === 1 ? `0${serial}` : serial, 'hex')),
    algorithm,
    issuer,
    der.sequence(der.time(options.notBefore), der.time(options.notAfter)),
    encodeName(options.subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(options.bare ? [] : [der.tagged(3, extensions(options, publicKey, issuerKeyId))]),
  )
  return toPem('CERTIFICATE', der.sequence(body, algorithm, der.bitString(sign(hash, body, signer))))
}

function signatureAlgorithm(key: KeyObject): { algorithm: Buffer; hash: string } {
  if (key.asymmetricKeyType === 'rsa') {
    return { algorithm: der.sequence(der.oid('1.2.840.113549.1.1.11'), der.null()), hash: 'sha256' }
  }
  if (key.asymmetricKeyType !== 'ec') throw new Error(`cannot sign with a key of type ${key.asymmetricKeyType}`)
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1'
    ? { algorithm: der.sequence(der.oid('1.2.840.10045.4.3.3')), hash: 'sha384' }
    : { algorithm: der.sequence(der.oid('1.2.840.10045.4.3.2')), hash: 'sha256' }
}

const ATTRIBUTES = { C: '2.5.4.6', ST: '2.5.4.8', L: '2.5.4.7', O: '2.5.4.10', OU: '2.5.4.11', CN: '2.5.4.3' } as const

function encodeName(subject: Subject): Buffer {
  const attributes = Object.entries(ATTRIBUTES).flatMap(([name, oid]) => {
    const text = subject[name as keyof Subject]
    if (text === undefined) return []
    // RFC 5280 demands PrintableString for countries.
    const value = name === 'C' ? der.printableString(text) : der.utf8String(text)
    return [der.set(der.sequence(der.oid(oid), value))]
  })
  return der.sequence(...attributes)
}

/** The subject's bytes themselves: an issuer must equal them. */
function subjectOf(certificate: X509Certificate): Buffer {
  const [body] = readMembers(readDer(certificate.raw))
  const members = readMembers(body!)
  const versioned = members[0]!.tag === 0xa0 ? 1 : 0
  return members[versioned + 4]!.whole
}

/** RFC 5280, 4.2.1.2, method 1: SHA-1 of the key's bits. An identifier, no protection. */
function keyId(key: KeyObject): Buffer {
  const [, bits] = readMembers(readDer(key.export({ type: 'spki', format: 'der' })))
  return createHash('sha1').update(bits!.content.subarray(1)).digest()
}

function extensions(options: Contents, publicKey: KeyObject, issuerKeyId: Buffer): Buffer {
  const { isAuthority = false, usages = [] } = options
  const extension = (oid: string, critical: boolean, content: Buffer) =>
    der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(content))
  // Bits: digitalSignature 0x80, keyEncipherment 0x20, keyCertSign 0x04, cRLSign 0x02.
  const keyUsage = isAuthority ? 0x86 : publicKey.asymmetricKeyType === 'rsa' ? 0xa0 : 0x80
  const unusedBits = isAuthority ? 1 : keyUsage === 0xa0 ? 5 : 7
  const list = [
    extension('2.5.29.19', true, der.sequence(...(isAuthority ? [der.boolean(true)] : []))),
    extension('2.5.29.15', true, der.bitString(Buffer.from([keyUsage]), unusedBits)),
    extension('2.5.29.14', false, der.octetString(keyId(publicKey))),
    extension('2.5.29.35', false, der.sequence(der.implicit(0, issuerKeyId))),
  ]
  if (usages.length > 0) {
    const oids = usages.map(usage => der.oid(usage === 'server' ? '1.3.6.1.5.5.7.3.1' : '1.3.6.1.5.5.7.3.2'))
    list.push(extension('2.5.29.37', false, der.sequence(...oids)))
  }
  const names = alternativeNames(options)
  if (names.length > 0) list.push(extension('2.5.29.17', false, der.sequence(...names)))
  return der.sequence(...list)
}

function alternativeNames({ dnsNames = [], ipAddresses = [], uris = [] }: Contents): Buffer[] {
  return [
    ...dnsNames.map(name => der.implicit(2, Buffer.from(name, 'latin1'))),
    ...uris.map(uri => der.implicit(6, Buffer.from(uri, 'latin1'))),
    ...ipAddresses.map(address => der.implicit(7, addressBytes(address))),
  ]
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  if (!isIPv6(address)) throw new Error(`not an IP address: ${address}`)
  // WHATWG URLs write IPv6 addresses in one way, with embedded IPv4 resolved.
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1)
  const [left = '', right] = canonical.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const tail = right === undefined ? [] : groups(right)
  const head = groups(left)
  const all = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail]
  return Buffer.from(all.flatMap(group => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]))
}

/** A certificate request (PKCS #10), as PEM: proves possession of the private key. */
export function createRequest({ subject, key }: { subject: Subject; key: KeyPairPem }): string {
  const signer = createPrivateKey(key.privateKey)
  const { algorithm, hash } = signatureAlgorithm(signer)
  const body = der.sequence(
    der.integer(Buffer.from([0])),
    encodeName(subject),
    createPublicKey(key.publicKey).export({ type: 'spki', format: 'der' }),
    der.tagged(0, Buffer.alloc(0)),
  )
  return toPem('CERTIFICATE REQUEST', der.sequence(body, algorithm, der.bitString(sign(hash, body, signer))))
}

const REQUEST_BYTES_MAX = 16 * 1024

export interface CertificateRequest {
  readonly commonName: string | null
  /** SubjectPublicKeyInfo, PEM. */
  readonly publicKey: string
  readonly algorithm: KeyAlgorithm
}

/** Reads a request from a stranger. Throws unless it is well-formed, signed by its own key, and of a known algorithm. */
export function readRequest(pem: string): CertificateRequest {
  if (pem.length > REQUEST_BYTES_MAX) throw new Error('certificate request is too large')
  const match = /^-----BEGIN CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE REQUEST-----\s*$/.exec(pem)
  if (match === null) throw new Error('not a certificate request')
  const [body, , signature] = readMembers(readDer(Buffer.from(match[1]!, 'base64')))
  const [, name, spki] = body === undefined ? [] : readMembers(body)
  if (body === undefined || signature === undefined || name === undefined || spki === undefined) {
    throw new Error('malformed certificate request')
  }
  const publicKey = createPublicKey({ key: spki.whole, format: 'der', type: 'spki' })
  const algorithm = algorithmOf(publicKey)
  const hash = algorithm === 'P-384' ? 'sha384' : 'sha256'
  if (!verify(hash, body.whole, publicKey, signature.content.subarray(1))) {
    throw new Error('the signature of the certificate request is wrong')
  }
  const commonName = readCommonName(name.whole)
  return { commonName, publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string, algorithm }
}

function algorithmOf(key: KeyObject): KeyAlgorithm {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  if (namedCurve === 'prime256v1') return 'P-256'
  if (namedCurve === 'secp384r1') return 'P-384'
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= 2048 && modulusLength <= 8192) return 'RSA-2048'
  throw new Error('the key of the certificate request is of an unsupported kind')
}

function readCommonName(name: Buffer): string | null {
  const commonName = der.oid(ATTRIBUTES.CN)
  for (const set of readMembers(readDer(name))) {
    for (const attribute of readMembers(set)) {
      const [oid, value] = readMembers(attribute)
      if (oid !== undefined && value !== undefined && oid.whole.equals(commonName))
        return value.content.toString('utf8')
    }
  }
  return null
}

/** SHA-256 over the certificate's bytes, 64 hex digits. */
export function fingerprint(certificate: string): string {
  return new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase()
}

function toPem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
