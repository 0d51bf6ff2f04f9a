/** A target is stored as `host:port`, so that each address is in an upstream once, however it was written. */
import { formatHost, parseHost } from '../../schema/host-formats.ts'
import type { EntityRules } from './entity-rules.ts'

const portDefault = 8000

export const targetRules: EntityRules = {
  normalize(row) {
    const parsed = parseHost(String(row['target']))
    if (typeof parsed !== 'string') row['target'] = formatHost(parsed, portDefault)
  },
}

/** The stored form of what a client names, or the text itself when it is no address. */
export function targetName(text: string): string {
  const parsed = parseHost(text)
  return typeof parsed === 'string' ? text : formatHost(parsed, portDefault)
}
