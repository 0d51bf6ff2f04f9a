/** `servers` of an OpenAPI description: with their variables filled in, as protocol, host, port and path. */
import { isObject } from '../schema/defaults.ts'

/** What is wrong with a description, for people. */
export class OpenApiError extends Error {}

export interface UpstreamParts {
  readonly protocol: string
  readonly host: string
  readonly port: number
  readonly path: string
}

/** URLs, variables replaced by their defaults; none when the level has no servers of its own. */
export function serversOf(level: Readonly<Record<string, unknown>>): readonly string[] {
  const servers = level['servers']
  if (servers === undefined || servers === null) return []
  if (!Array.isArray(servers)) throw new OpenApiError('servers is no list')
  return servers.map(server => {
    if (!isObject(server) || typeof server['url'] !== 'string') throw new OpenApiError('a server has no url')
    const variables = isObject(server['variables']) ? server['variables'] : {}
    return server['url'].replaceAll(/\{([^{}]+)\}/g, (_, name: string) => {
      const variable = variables[name]
      const value = isObject(variable) ? variable['default'] : undefined
      if (value === undefined)
        throw new OpenApiError(`server ${String(server['url'])}: variable ${name} has no default`)
      return String(value)
    })
  })
}

/** Without servers a description means the host that it came from: that is nowhere, and so `localhost`. */
export function upstreamParts(servers: readonly string[], name: string): readonly UpstreamParts[] {
  return (servers.length === 0 ? ['/'] : servers).map(server => {
    const url = URL.canParse(server, 'https://localhost') ? new URL(server, 'https://localhost') : null
    if (url === null || !/^https?:$/.test(url.protocol)) throw new OpenApiError(`${name}: ${server} is no http URL`)
    const protocol = url.protocol.slice(0, -1)
    const port = url.port === '' ? (protocol === 'https' ? 443 : 80) : Number(url.port)
    return { protocol, host: url.hostname, port, path: url.pathname.replace(/\/$/, '') }
  })
}
