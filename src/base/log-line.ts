/** Pieces of access logs in nginx's combined format. */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

let cachedSecond = -1
let cachedText = ''

/** `23/Nov/2026:05:12:19 +0000`, local time; made once a second. */
export function timestampOf(ms: number): string {
  const second = Math.floor(ms / 1000)
  if (second !== cachedSecond) {
    cachedSecond = second
    cachedText = format(new Date(ms))
  }
  return cachedText
}

function format(date: Date): string {
  const offset = -date.getTimezoneOffset()
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return `${two(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}:${time} ${zone}`
}

function two(number: number): string {
  return String(number).padStart(2, '0')
}

/** Quotes, backslashes and what is not printable ASCII as `\xHH`, so that no client can forge a line. */
export function escapeLogged(text: string): string {
  return /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(text) ? text : text.replace(/["\\]|[^\x20-\x7e]/g, escapeByte)
}

function escapeByte(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}
