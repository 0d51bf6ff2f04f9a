/** `large_client_header_buffers`: how many lines of which size a request head may have. */

export interface HeaderBuffers {
  readonly count: number
  readonly bytes: number
}

/** One buffer of that size is what a single line may fill; more would be memory for whoever asks. */
const TOTAL_BYTES_MAX = 16 * 1024 * 1024
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 * 1024 }

/** `4 8k` in nginx's way; null when it is not of that form, has no room, or takes more than 16 MiB. */
export function parseHeaderBuffers(text: string): HeaderBuffers | null {
  const match = /^(\d{1,6})\s+(\d{1,9})([km]?)$/i.exec(text.trim())
  if (match === null) return null
  const count = Number(match[1])
  const bytes = Number(match[2]) * UNITS[match[3]!.toLowerCase()]!
  return count > 0 && bytes > 0 && count * bytes <= TOTAL_BYTES_MAX ? { count, bytes } : null
}
