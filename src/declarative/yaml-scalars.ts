/** What plain scalars mean: YAML 1.1 as libyaml's Lua binding reads it, so `yes` is true but `y` is text. */

const TRUE = new Set(['true', 'True', 'TRUE', 'yes', 'Yes', 'YES', 'on', 'On', 'ON'])
const FALSE = new Set(['false', 'False', 'FALSE', 'no', 'No', 'NO', 'off', 'Off', 'OFF'])
const NULL = new Set(['', '~', 'null', 'Null', 'NULL'])

export function resolvePlain(text: string): unknown {
  if (NULL.has(text)) return null
  if (TRUE.has(text)) return true
  if (FALSE.has(text)) return false
  return /^[-+.\d]/.test(text) ? (resolveNumber(text) ?? text) : text
}

function resolveNumber(text: string): number | null {
  const sign = text.startsWith('-') ? -1 : 1
  const body = text.replace(/^[-+]/, '')
  const digits = body.replaceAll('_', '')
  if (/^0_*[0-7][0-7_]*$/.test(body)) return sign * Number.parseInt(digits, 8)
  if (/^_*[0-9][0-9_]*$/.test(body) && (digits === '0' || digits.length > 1 || digits !== '0'))
    return sign * Number(digits)
  if (/^(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(digits) && /[.eE]/.test(digits)) return sign * Number(digits)
  if (/^\.(inf|Inf|INF)$/.test(body)) return sign * Number.POSITIVE_INFINITY
  if (/^0x_*[0-9a-fA-F][0-9a-fA-F_]*$/.test(body)) return sign * Number.parseInt(digits.slice(2), 16)
  if (/^0b_*[01][01_]+$/.test(body)) return sign * Number.parseInt(digits.slice(2), 2)
  const sexagesimal = /^(\d+:[0-5]?\d[:\d]*)(\.\d+)?$/.exec(body)
  if (sexagesimal === null) return null
  const whole = sexagesimal[1]!.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
  return sign * (whole + Number(sexagesimal[2] ?? 0))
}
