/**
 * The `custom_fields_by_lua` of log plugins, as far as they can be had without Lua: a chunk that returns nothing,
 * a literal, or a header of the request.
 */
import type { ClientRequest } from './sdk.ts'

interface LoggedExchange {
  /** A session of the stream proxy has no request, and so no headers. */
  readonly request?: ClientRequest
  setLogField(name: string, value: unknown): void
}
export type LogFieldSetter = (exchange: LoggedExchange) => void
export type LogFields =
  | { readonly ok: true; readonly setters: readonly LogFieldSetter[] }
  | { readonly ok: false; readonly error: string }

export function compileLogFields(chunks: Readonly<Record<string, string>> | null): LogFields {
  const setters: LogFieldSetter[] = []
  for (const [name, chunk] of Object.entries(chunks ?? {})) {
    const value = compileChunk(chunk)
    if (value === null) {
      const known = 'only a literal or kong.request.get_header("name") can be returned: there is no Lua here'
      return { ok: false, error: `custom_fields_by_lua.${name}: ${known}` }
    }
    setters.push(exchange => exchange.setLogField(name, value(exchange.request)))
  }
  return { ok: true, setters }
}

function compileChunk(chunk: string): ((request: ClientRequest | undefined) => unknown) | null {
  const returned = /^\s*return\b([\s\S]*?);?\s*$/.exec(chunk)?.[1]?.trim()
  if (returned === undefined) return null
  if (returned === '' || returned === 'nil') return () => undefined
  if (returned === 'true' || returned === 'false') return () => returned === 'true'
  if (/^-?\d+(\.\d+)?$/.test(returned)) return () => Number(returned)
  const text = /^(?:"([^"\\\n]*)"|'([^'\\\n]*)')$/.exec(returned)
  if (text !== null) return () => text[1] ?? text[2]
  const header = /^kong\.request\.get_header\(\s*(?:"([\w-]+)"|'([\w-]+)')\s*\)$/.exec(returned)
  if (header === null) return null
  const name = (header[1] ?? header[2])!
  return request => request?.header(name)
}
