/** The id of a node, kept over restarts in `<prefix>/kong.id` as Kong does. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../base/random.ts'
import { UUID } from './message-checks.ts'

export interface NodeIdOptions {
  readonly prefix: string
  /** The `node_id` setting. */
  readonly configured: string | null
  readonly random: Random
}

/** The setting, else the file, else a random one; an unreadable file is overwritten. Without a line feed, as Kong's tools read it. */
export function loadNodeId({ prefix, configured, random }: NodeIdOptions): string {
  const path = join(prefix, 'kong.id')
  const saved = readId(path)
  const id = configured?.toLowerCase() ?? saved ?? random.uuid()
  if (id !== saved) writeFileSync(path, id, { mode: 0o644 })
  return id
}

function readId(path: string): string | null {
  try {
    const text = readFileSync(path, 'utf8').trim().toLowerCase()
    return UUID.test(text) ? text : null
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
