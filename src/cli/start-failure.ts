/** Why a node did not start, for people: an address that is taken is told by the setting that names it. */
import type { Settings } from '../settings/definition.ts'
import { formatEndpoint } from '../settings/listen-address.ts'

const LISTENERS = ['proxy_listen', 'stream_listen', 'admin_listen', 'status_listen', 'cluster_listen'] as const

export function explainStartFailure(error: unknown, settings: Settings): string {
  const { code, address, port, message } = error as NodeJS.ErrnoException & { address?: string; port?: number }
  if (port === undefined || !isAboutAddress(code)) return message
  const place = formatEndpoint({ host: address ?? '0.0.0.0', port })
  const names = LISTENERS.filter(name => settings[name].some(listener => listener.port === port))
  const [name = 'a listener'] = names.length > 1 ? names.filter(each => isExact(settings, each, address, port)) : names
  const reason = {
    EADDRINUSE: 'is already in use',
    EACCES: 'may not be opened by this user',
    EADDRNOTAVAIL: 'is not an address of this machine',
  }[code]
  const option = name === 'a listener' ? '' : ` (choose another with ${name}, or KONG_${name.toUpperCase()})`
  return `${name}: address ${place} ${reason}${option}`
}

function isAboutAddress(code: string | undefined): code is 'EADDRINUSE' | 'EACCES' | 'EADDRNOTAVAIL' {
  return code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL'
}

function isExact(settings: Settings, name: (typeof LISTENERS)[number], address: string | undefined, port: number) {
  return settings[name].some(listener => listener.port === port && listener.host === address)
}
