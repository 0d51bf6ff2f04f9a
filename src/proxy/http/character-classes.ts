/** Which bytes may stand where in HTTP/1.x messages (RFC 9110 section 5, RFC 3986), as one table of bit flags. */

export const TOKEN = 1
/** Field values: visible characters, spaces, tabs and bytes above 127. No other control character, no DEL. */
export const FIELD_VALUE = 2
/** Request targets. Bytes above 127 pass, as in nginx: clients do send them, and we escape them in paths. */
export const TARGET = 4
/** Methods as nginx takes them: upper-case letters, `_` and `-`. */
export const METHOD = 8
/** Host without port: unreserved, sub-delims except comma, `%`. */
export const HOST_NAME = 16
export const DIGIT = 32
export const HEX_DIGIT = 64
/** In a target: may need to be decoded, escaped or resolved. A target without such bytes is in its normal form. */
export const ODD_IN_TARGET = 128

export const CHARACTER_CLASSES: Uint8Array = buildTable()

function buildTable(): Uint8Array {
  const table = new Uint8Array(256)
  const mark = (characters: string, flag: number) => {
    for (const character of characters) table[character.charCodeAt(0)]! |= flag
  }
  const upper = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
  const alphanumeric = upper + upper.toLowerCase() + '0123456789'
  mark(alphanumeric + "!#$%&'*+-.^_`|~", TOKEN)
  mark(upper + '_-', METHOD)
  mark(alphanumeric + "-._~!$&'()*+;=%", HOST_NAME)
  mark('0123456789', DIGIT)
  mark('0123456789abcdefABCDEF', HEX_DIGIT)
  for (let byte = 0x20; byte < 256; byte++) if (byte !== 0x7f) table[byte]! |= FIELD_VALUE
  table[0x09]! |= FIELD_VALUE
  for (let byte = 0x21; byte < 256; byte++) if (byte !== 0x7f) table[byte]! |= TARGET
  for (let byte = 0x21; byte < 256; byte++) {
    const isPlain = (alphanumeric + "!#$&'()*+,/:;=?@[]-_~").includes(String.fromCharCode(byte))
    if (!isPlain) table[byte]! |= ODD_IN_TARGET
  }
  return table
}
