/** nginx's `add_header`, as `nginx_proxy_add_header` or `nginx_http_add_header` injects it. */

export interface AddedHeader {
  readonly name: string
  readonly value: string
  /** Also on answers with other statuses than nginx's list. */
  readonly always: boolean
}

/** `name value [always]`, the value in quotes where it has spaces; null for anything else, variables among it. */
export function parseAddedHeader(text: string): AddedHeader | null {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s+(?:"([^"\\$]*)"|'([^'\\$]*)'|([^\s"'\\$;]+))(\s+always)?\s*;?$/.exec(
    text.trim(),
  )
  if (match === null) return null
  const value = match[2] ?? match[3] ?? match[4]!
  // Text of UTF-8, sent byte by byte.
  const bytes = Buffer.from(value).toString('latin1')
  return /[\x00-\x1f\x7f]/.test(bytes) ? null : { name: match[1]!, value: bytes, always: match[5] !== undefined }
}
