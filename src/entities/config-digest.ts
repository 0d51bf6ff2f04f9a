/**
 * The hash of a whole configuration, kept up to date change by change.
 *
 * Each row has a digest; the configuration's hash is the XOR of all of them. So a control plane and a data plane
 * can update it in constant time per change, in any order, and compare 16 bytes to know that they agree. It guards
 * against lost or doubled changes, not against an adversary: the connection is authenticated.
 */
import { hash } from 'node:crypto'
import type { Row } from './config.ts'

/** JSON with object keys in order, so that two stores with different column orders agree. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const record = value as Record<string, unknown>
  const parts: string[] = []
  for (const key of Object.keys(record).sort()) {
    const member = record[key]
    if (member !== undefined) parts.push(`${JSON.stringify(key)}:${canonicalJson(member)}`)
  }
  return `{${parts.join(',')}}`
}

/** 32 hex characters for one row. */
export function rowDigest(entity: string, key: string, row: Row): string {
  return textDigest(entity, key, canonicalJson(row))
}

/** The same, for a row that is there as canonical JSON already. */
export function textDigest(entity: string, key: string, canonical: string): string {
  return hash('md5', `${entity}\0${key}\0${canonical}`)
}

/** Adds a row digest to a configuration hash, or takes it out again: the same operation. */
export function toggleDigest(configHash: string, digest: string): string {
  let out = ''
  for (let i = 0; i < 32; i += 8) {
    const word = (Number.parseInt(configHash.slice(i, i + 8), 16) ^ Number.parseInt(digest.slice(i, i + 8), 16)) >>> 0
    out += word.toString(16).padStart(8, '0')
  }
  return out
}
