/** Query strings as lists of decoded arguments, and back. */

/** `null` stands for an argument without `=`. */
export type QueryArgument = readonly [name: string, value: string | null]

/** Arguments that are looked at; later ones are still sent to the upstream. Kong's largest `lua_max_uri_args`. */
const ARGUMENTS_MAX = 1000

export function parseQuery(query: string, argumentsMax = ARGUMENTS_MAX): readonly QueryArgument[] {
  const list: QueryArgument[] = []
  for (const part of query.split('&', ARGUMENTS_MAX + 1)) {
    if (part === '') continue
    if (list.length === argumentsMax) break
    const equals = part.indexOf('=')
    if (equals === -1) list.push([decode(part), null])
    else list.push([decode(part.slice(0, equals)), decode(part.slice(equals + 1))])
  }
  return list
}

export function formatQuery(list: readonly QueryArgument[]): string {
  return list.map(([name, value]) => (value === null ? encode(name) : `${encode(name)}=${encode(value)}`)).join('&')
}

/** Bytes as they were: text that is no UTF-8 stays latin1, so that encoding it gives the same bytes. */
function decode(text: string): string {
  if (!text.includes('%') && !text.includes('+') && !/[^\x00-\x7f]/.test(text)) return text
  const latin = latinBytes(text)
  const bytes = Buffer.from(latin, 'latin1')
  const decoded = bytes.toString('utf8')
  return decoded.includes('\ufffd') ? latin : decoded
}

function latinBytes(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replace(/%[0-9a-fA-F]{2}/g, triplet => String.fromCharCode(Number.parseInt(triplet.slice(1), 16)))
}

function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** One argument as the URL standard's form serializer writes it, of the same bytes. */
export function asFormPart(part: string): string {
  const equals = part.indexOf('=')
  const name = equals === -1 ? part : part.slice(0, equals)
  return `${formEncode(name)}=${equals === -1 ? '' : formEncode(part.slice(equals + 1))}`
}

function formEncode(text: string): string {
  if (/^[\w*.+-]*$/.test(text)) return text
  return latinBytes(text)
    .replace(/[^\w*. -]/g, byte => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
    .replaceAll(' ', '+')
}
