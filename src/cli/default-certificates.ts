/** Self-signed certificates for TLS listeners that were given none: one RSA and one ECDSA pair each, kept in the prefix. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { generateKey, type KeyAlgorithm, selfSigned } from '../base/certificates.ts'
import type { Settings } from '../settings/definition.ts'
import type { PrefixChanges, PrefixPaths } from './prefix-folder.ts'

/** 20 years, as Kong's: whoever relies on them has not chosen a life time. */
const VALIDITY_MS = 20 * 365 * 86_400_000

export async function makeDefaultCertificates(
  settings: Settings,
  paths: PrefixPaths,
  changes: PrefixChanges,
  nowMs: number,
): Promise<void> {
  const listeners = [
    {
      addresses: settings.role === 'admin' ? [] : [...settings.proxy_listen, ...settings.stream_listen],
      given: settings.ssl_cert,
      prefix: '',
    },
    {
      addresses: settings.role === 'proxy' ? [] : settings.admin_listen,
      given: settings.admin_ssl_cert,
      prefix: 'admin-',
    },
    { addresses: settings.status_listen, given: settings.status_ssl_cert, prefix: 'status-' },
  ]
  const missing = listeners
    .filter(({ addresses, given }) => given.length === 0 && addresses.some(address => address.ssl))
    .flatMap(({ prefix }) => [
      { path: join(paths.certificates, `${prefix}kong-default`), algorithm: 'RSA-2048' as const },
      { path: join(paths.certificates, `${prefix}kong-default-ecdsa`), algorithm: 'P-256' as const },
    ])
    .filter(({ path }) => !existsSync(`${path}.crt`) || !existsSync(`${path}.key`))
  await Promise.all(missing.map(({ path, algorithm }) => makePair(path, algorithm, changes, nowMs)))
}

async function makePair(path: string, algorithm: KeyAlgorithm, changes: PrefixChanges, nowMs: number): Promise<void> {
  const key = await generateKey(algorithm)
  const certificate = selfSigned({
    subject: { C: 'US', ST: 'California', L: 'San Francisco', O: 'Kong', OU: 'IT Department', CN: 'localhost' },
    key,
    notBefore: new Date(nowMs - 86_400_000),
    notAfter: new Date(nowMs + VALIDITY_MS),
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1', '::1'],
    usages: ['server', 'client'],
  })
  changes.writeFile(`${path}.key`, key.privateKey, 0o600)
  changes.writeFile(`${path}.crt`, certificate, 0o644)
}
