/** What names, tags and tokens may look like. Each function returns what is wrong, or null. */

/** Strings come from JSON or UTF-8 text, where a byte that was no UTF-8 has become U+FFFD; lone surrogates cannot be encoded. */
function utf8Error(text: string): string | null {
  const index = text.search(/\ufffd|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/)
  if (index < 0) return null
  return `invalid utf-8 character sequence detected at position ${Buffer.byteLength(text.slice(0, index)) + 1}`
}

export function nameError(name: string): string | null {
  if (/^[A-Za-z0-9.\-_~]+$/.test(name)) return null
  return `invalid value '${name}': it must only contain alphanumeric and '., -, _, ~' characters`
}

export function utf8NameError(name: string): string | null {
  if (/^[A-Za-z0-9.\-_~]+$/.test(name)) return null
  const error = utf8Error(name)
  if (error !== null) return error
  if (/^[A-Za-z0-9.\-_~\u0080-\uffff]+$/.test(name)) return null
  return `invalid value '${name}': the only accepted ascii characters are alphanumerics or ., -, _, and ~`
}

export function tagError(tag: string): string | null {
  const error = utf8Error(tag)
  if (error !== null) return error
  if (/^[ !-+\-.0-~\u0080-\uffff]+$/.test(tag)) return null
  return `invalid tag '${tag}': expected printable ascii (except \`,\` and \`/\`) or valid utf-8 sequences`
}

export function headerNameError(name: string): string | null {
  if (name === '') return 'no header name provided'
  if (/^[A-Za-z0-9_-]+$/.test(name)) return null
  return `bad header name '${name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'`
}

/** An HTTP token by RFC 2616 2.2: no control characters, separators or bytes beyond ASCII. */
export function httpTokenError(token: string): string | null {
  if (token === '') return 'no token provided'
  if (!/[\u0000-\u0020()<>@,;:\\"/[\]?={}\u007f-\uffff]/.test(token)) return null
  return (
    'contains one or more invalid characters. ASCII control characters (0-31;127), space, tab and the characters ' +
    '()<>@,;:\\"/?={}[] are not allowed.'
  )
}
