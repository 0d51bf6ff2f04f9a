/** Protocols and ciphers of the TLS listeners, by `ssl_cipher_suite` (Mozilla's recommendations, version 5.7). */
import type { Settings } from './definition.ts'

export interface TlsProfile {
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3'
  /** OpenSSL's list for TLS 1.2, or null for the runtime's own. */
  readonly ciphers: string | null
  readonly preferServerCiphers: boolean
}

const AEAD = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'DHE-RSA-AES128-GCM-SHA256',
  'DHE-RSA-AES256-GCM-SHA384',
  'DHE-RSA-CHACHA20-POLY1305',
]
const CBC_AND_STATIC = [
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-RSA-AES128-SHA256',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA384',
  'ECDHE-RSA-AES256-SHA384',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'DHE-RSA-AES128-SHA256',
  'DHE-RSA-AES256-SHA256',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA256',
  'AES256-SHA256',
  'AES128-SHA',
  'AES256-SHA',
]
/** In TLS 1.3 every cipher is safe; naming them keeps them when a list for 1.2 is given. */
const TLS13 = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256']

/** TLS 1.0 and 1.1 are never offered, although Kong's `old` has them: the runtime's OpenSSL refuses both. */
export function tlsProfile(
  settings: Pick<Settings, 'ssl_cipher_suite' | 'ssl_ciphers' | 'ssl_protocols' | 'ssl_prefer_server_ciphers'>,
): TlsProfile {
  const list = (ciphers: readonly string[]) => [...TLS13, ...ciphers].join(':')
  switch (settings.ssl_cipher_suite) {
    case 'modern':
      return { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: null, preferServerCiphers: false }
    case 'intermediate':
      return { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', ciphers: list(AEAD), preferServerCiphers: false }
    case 'old':
      return {
        minVersion: 'TLSv1.2',
        maxVersion: 'TLSv1.3',
        ciphers: list([...AEAD, ...CBC_AND_STATIC]),
        preferServerCiphers: true,
      }
    case 'fips': {
      const approved = AEAD.filter(name => name.startsWith('ECDHE') && !name.includes('CHACHA20'))
      return { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: approved.join(':'), preferServerCiphers: true }
    }
    case 'custom':
      return {
        minVersion: settings.ssl_protocols.includes('TLSv1.2') ? 'TLSv1.2' : 'TLSv1.3',
        maxVersion: settings.ssl_protocols.includes('TLSv1.3') ? 'TLSv1.3' : 'TLSv1.2',
        ciphers: settings.ssl_ciphers === null ? null : `${TLS13.join(':')}:${settings.ssl_ciphers}`,
        preferServerCiphers: settings.ssl_prefer_server_ciphers,
      }
  }
}
