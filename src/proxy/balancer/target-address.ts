/** Reads `host:port` of a target, and tells names from addresses. */
import { isIP } from 'node:net'

export interface TargetAddress {
  readonly host: string
  readonly port: number
}

// Kong's default for targets without port.
const DEFAULT_TARGET_PORT = 8000

/** Targets are stored normalised: `name:port`, `1.2.3.4:port`, `[::1]:port`. */
export function parseTarget(target: string): TargetAddress {
  if (isIP(target) === 6) return { host: target, port: DEFAULT_TARGET_PORT }
  const colon = target.lastIndexOf(':')
  if (colon <= target.lastIndexOf(']')) return { host: withoutBrackets(target), port: DEFAULT_TARGET_PORT }
  return { host: withoutBrackets(target.slice(0, colon)), port: Number(target.slice(colon + 1)) }
}

export function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

export function isAddress(host: string): boolean {
  return isIP(host) !== 0
}

/** As it stands in a Host header. */
export function hostHeader(hostname: string, port: number, isTls: boolean): string {
  const name = hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname
  return port === (isTls ? 443 : 80) ? name : `${name}:${port}`
}
