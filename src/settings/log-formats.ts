/** The format of the proxy's access log: `proxy_access_log = path name`, of those built in and that of nginx_http_log_format. */
import { BUILT_IN_FORMATS, type LogFormat, parseLogFormat } from '../base/log-format.ts'
import type { Settings } from './definition.ts'

export type LogFormatChoice =
  | { readonly ok: true; readonly format: LogFormat | null }
  | { readonly ok: false; readonly name: 'proxy_access_log' | 'nginx_http_log_format'; readonly error: string }

/** `format` is null for Kong's own. */
export function accessLogFormat(settings: Pick<Settings, 'proxy_access_log' | 'dynamic'>): LogFormatChoice {
  const directive = settings.dynamic['nginx_http_log_format']
  const own = directive === undefined ? null : parseLogFormat(directive)
  if (own?.ok === false) return { ok: false, name: 'nginx_http_log_format', error: own.error }
  const [, wanted] = settings.proxy_access_log.trim().split(/\s+/)
  if (wanted === undefined) return { ok: true, format: null }
  if (own?.name === wanted) return { ok: true, format: own.format }
  const format = BUILT_IN_FORMATS[wanted]
  if (format !== undefined) return { ok: true, format }
  const names = [...Object.keys(BUILT_IN_FORMATS), ...(own === null ? [] : [own.name])].join(', ')
  return { ok: false, name: 'proxy_access_log', error: `unknown log format '${wanted}' (${names})` }
}
