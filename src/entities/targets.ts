/** Targets: the addresses behind an upstream. */
import { defineEntity } from '../schema/entity.ts'
import * as field from '../schema/field.ts'
import { formatHost, parseHost } from '../schema/host-formats.ts'
import * as typedefs from '../schema/typedefs.ts'

/** Where a target is reached that names no port. */
export const DEFAULT_TARGET_PORT = 8000

export function targetError(target: string): string | null {
  if (typeof parseHost(target) !== 'string') return null
  const shown = target.includes('\ufffd') ? 'Invalid target' : `Invalid target ('${target}')`
  return `${shown}; not a valid hostname or ip address`
}

/** One form for one address, so that the same target cannot be added twice. */
export function normalizeTarget(target: string): string {
  const parsed = parseHost(target)
  return typeof parsed === 'string' ? target : formatHost(parsed, DEFAULT_TARGET_PORT)
}

export const targets = defineEntity({
  name: 'targets',
  endpoint_key: 'target',
  cache_key: ['upstream', 'target'],
  fields: {
    id: field.id(),
    created_at: typedefs.autoTimestampMs(),
    updated_at: typedefs.autoTimestampMs(),
    upstream: field.foreign('upstreams', { required: true, on_delete: 'cascade' }),
    target: field.string({ required: true, custom_validator: targetError, description: 'host[:port]' }),
    weight: field.integer({ default: 100, between: [0, 65_535], description: 'Share of the traffic; 0 is none.' }),
    tags: typedefs.tags(),
  },
  transform: row => ({ ...row, target: normalizeTarget(String(row['target'])) }),
})
