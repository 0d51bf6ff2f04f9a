/** Text as routers compare it: one character per byte, as the listener reads it, and how regexes see characters in it. */

import type { RegexMatcher } from '../../base/rust-regex.ts'

/** Bytes as characters: what the listener hands to the router. */
export function toBytes(text: string): string {
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** Lower case for ASCII only, as Lua's; other letters are bytes here. */
export function lower(text: string): string {
  return text.replace(/[A-Z]+/g, letters => letters.toLowerCase())
}

/** Lower case of all letters, as Rust's. */
export function lowerUnicode(text: string): string {
  if (/^[\x00-\x7f]*$/.test(text)) return text.toLowerCase()
  const characters = asText(text)
  return characters === text ? lower(text) : toBytes(characters.toLowerCase())
}

/** Bytes as UTF-8 where they are that, so that one `.` of a regex is one character. */
export function asText(bytes: string): string {
  if (/^[\x00-\x7f]*$/.test(bytes)) return bytes
  const text = Buffer.from(bytes, 'latin1').toString('utf8')
  return text.includes('\ufffd') ? bytes : text
}

/** V8 throws when a pattern and a text together exhaust its stack; such a route cannot be tried and does not match. */
export function execute(regex: RegexMatcher, subject: string): RegExpExecArray | null {
  try {
    return regex.exec(subject)
  } catch {
    return null
  }
}
