/** Times as web servers log them: `23/Nov/2026:05:12:19 +0000`. */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

let cachedSecond = -1
let cachedText = ''

/** Made once a second. */
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
