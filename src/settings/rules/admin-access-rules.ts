/** An Admin API that others can reach must not be open by accident, and one that asks must have somebody to answer. */
import { isIP } from 'node:net'
import type { ListenAddress } from '../../base/listen-address.ts'
import { formatEndpoint } from '../listen-address.ts'
import type { Findings, RuleContext } from './rule.ts'

/** Short enough for a person to set, long enough not to be guessed through a network. */
const TOKEN_LENGTH_MIN = 16

export function checkAdminAccess({ settings, origin }: RuleContext, { errors, warnings }: Findings): void {
  if (settings.role === 'proxy') return
  const { admin_auth, admin_token, admin_client_ca, admin_listen } = settings
  if (admin_token !== null && !/^[!-~]{16,256}$/.test(admin_token)) {
    errors.push(
      `admin_token must have ${TOKEN_LENGTH_MIN} to 256 printable ASCII characters without spaces; ` +
        "make one with 'openssl rand -hex 32'",
    )
  }
  if (admin_auth && admin_token === null && admin_client_ca.length === 0) {
    errors.push(`admin_auth is on, but nobody could log in: set admin_token or admin_client_ca${origin('admin_auth')}`)
  }
  if (!admin_auth && (admin_token !== null || admin_client_ca.length > 0)) {
    const given = admin_token === null ? 'admin_client_ca' : 'admin_token'
    errors.push(`${given} is set, but admin_auth is off: turn it on, or leave ${given} out${origin(given)}`)
  }
  if (settings.admin_client_crl.length > 0 && admin_client_ca.length === 0) {
    errors.push(`admin_client_crl needs admin_client_ca, whose lists these are${origin('admin_client_crl')}`)
  }
  if (admin_auth && admin_token === null && !admin_listen.some(address => address.ssl)) {
    errors.push(`admin_client_ca needs an address with 'ssl' in admin_listen${origin('admin_listen')}`)
  }
  for (const address of admin_listen) {
    const warning = isPrivate(address) ? null : openness(address, admin_auth)
    if (warning !== null) warnings.push(warning)
  }
}

function openness(address: ListenAddress, asks: boolean): string | null {
  const place = formatEndpoint(address)
  const remedy = 'let admin_listen name a loopback address'
  if (!asks) {
    return (
      `the Admin API on ${place} can be reached from other machines and asks nobody who they are: whoever reaches it ` +
      `owns this gateway; ${remedy}, or set admin_auth = on${address.ssl ? '' : " and add 'ssl'"}`
    )
  }
  if (address.ssl) return null
  return `the Admin API on ${place} takes tokens without TLS: whoever listens in can use them; add 'ssl', or ${remedy}`
}

function isPrivate({ host }: ListenAddress): boolean {
  if (host.startsWith('unix:') || host === 'localhost' || host === '::1') return true
  return isIP(host) === 4 && host.startsWith('127.')
}
