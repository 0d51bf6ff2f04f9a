/** Long texts as keys of maps and sets. */
import { hash } from 'node:crypto'

/**
 * V8 hashes texts beyond 16,383 characters by their length alone, so a map of a few thousand long values of one length
 * is a list, and filling it takes minutes. A digest stands for those; shorter ones are keys as they are.
 */
const LENGTH_MAX = 4096

export function mapKey(text: string): string {
  return text.length <= LENGTH_MAX ? text : `sha256\0${text.length}\0${hash('sha256', text)}`
}
