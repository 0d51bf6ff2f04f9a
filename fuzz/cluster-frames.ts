/**
 * Throws damaged and made-up frames at the decoders of both sides: they accept what was encoded, refuse the rest with
 * a WireError, never anything else, and never slowly.
 */
import assert from 'node:assert/strict'
import { systemClock } from '../src/base/clock.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import { parseEnrollRequest } from '../src/cluster/enrollment.ts'
import { parseJoinToken } from '../src/cluster/join-tokens.ts'
import {
  decodeFromControlPlane,
  decodeFromDataPlane,
  encodeMessage,
  type FromControlPlane,
  type FromDataPlane,
  WireError,
} from '../src/cluster/messages.ts'
import { decodeBinary, decodeLine, encodeChunk, encodeDelta, encodeLine } from '../src/cluster/wire.ts'
import type { ConfigDelta } from '../src/entities/config.ts'

export const name = 'cluster-frames'

const HASH = '0123456789abcdef0123456789abcdef'
const ID = '00000000-0000-4000-8000-000000000001'
const HEAD = { version: 7, config_hash: HASH }

const FROM_DATA_PLANE: readonly FromDataPlane[] = [
  {
    type: 'hello',
    node_id: ID,
    hostname: 'dp-1.example',
    version: '3.9.1',
    labels: { zone: 'eu' },
    capabilities: ['key-auth'],
    applied: HEAD,
  },
  { type: 'ack', ...HEAD },
  { type: 'nack', version: 7, entity: 'routes', key: ID, field: 'paths', message: 'wrong' },
  { type: 'nack', version: 7, entity: '', key: '', field: null, message: '' },
  { type: 'resync', reason: 'hash' },
  { type: 'health', upstreams: [] },
  {
    type: 'health',
    upstreams: [
      [ID, [['a.test', '10.0.0.1', 80, true]], 3],
      [ID, null, 0],
    ],
  },
  { type: 'heartbeat', ...HEAD },
  { type: 'renew' },
]
const FROM_CONTROL_PLANE: readonly FromControlPlane[] = [
  { type: 'welcome', node_id: ID, version: '3.9.1' },
  { type: 'snapshot', ...HEAD, encoding: 'zstd' },
  { type: 'snapshot_end', chunks: 3 },
  { type: 'health_marks', marks: [] },
  {
    type: 'health_marks',
    marks: [{ id: ID, upstream: ID, target: ID, address: '[::1]:80', healthy: false, at: 1_700_000_000_000 }],
  },
  { type: 'heartbeat', ...HEAD },
  { type: 'certificate', certificate: '-----BEGIN CERTIFICATE-----' },
  { type: 'goodbye', reason: 'stopping' },
]
/** No accepted or refused frame may take longer; the largest legal one takes a tenth. */
const FRAME_MS_MAX = 500

export function fuzzClusterFrames(random: Random): void {
  const message = pick(random, FROM_DATA_PLANE)
  assert.deepEqual(decodeFromDataPlane(encodeMessage(message)), message)
  const answer = pick(random, FROM_CONTROL_PLANE)
  assert.deepEqual(decodeFromControlPlane(encodeMessage(answer)), answer)
  const delta = aDelta(random)
  const frame = encodeDelta(delta)
  assert.ok(frame !== null)
  assert.deepEqual(decodeBinary(frame), { type: 'delta', delta })
  for (const change of delta.changes) {
    if (change.row !== null) assert.deepEqual(decodeLine(encodeLine(change).trimEnd()), change)
  }

  refuses(() => decodeFromDataPlane(damageText(random, encodeMessage(message))))
  refuses(() => decodeFromControlPlane(damageText(random, encodeMessage(answer))))
  refuses(() => decodeFromDataPlane(encodeMessage(damageValue(random, message) as FromDataPlane)))
  refuses(() => decodeFromControlPlane(encodeMessage(damageValue(random, answer) as FromControlPlane)))
  refuses(() => decodeBinary(damageBytes(random, frame)))
  refuses(() => decodeBinary(damageBytes(random, encodeChunk(random.bytes(20)))))
  refuses(() => decodeLine(damageText(random, '["routes","a",{"id":"a"}]')))
  refuses(() =>
    parseEnrollRequest(damageText(random, `{"node_id":"${ID}","hostname":"h","public_key":"k","proof":"p"}`)),
  )
  refuses(() => parseJoinToken(damageText(random, `sbt1.${'A'.repeat(43)}.0123456789abcdef.${'A'.repeat(43)}`)))
}

/** A value or a WireError, in time. */
function refuses(decode: () => unknown): void {
  const start = systemClock.monotonic()
  try {
    decode()
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    assert.ok(Buffer.byteLength(error.message) <= 123, 'the reason fits into a closing frame')
  }
  assert.ok(systemClock.monotonic() - start < FRAME_MS_MAX, 'a frame is judged quickly')
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random.next() * items.length)]!
}

const ODD: readonly unknown[] = [
  null,
  -1,
  1.5,
  2 ** 60,
  '',
  'x'.repeat(70_000),
  [],
  {},
  [[]],
  true,
  '__proto__',
  '\u0000',
  '\ud800',
]

function aDelta(random: Random): ConfigDelta {
  const from = Math.floor(random.next() * 1e6)
  const changes = Array.from({ length: Math.floor(random.next() * 12) }, (_, i) => ({
    entity: pick(random, ['routes', 'keyauth_credentials']),
    key: `k${i}`,
    row: random.next() < 0.3 ? null : { id: `k${i}`, text: random.bytes(300).toString('latin1'), n: random.next() },
  }))
  return { from, version: from + 1, config_hash: HASH, changes }
}

function damageText(random: Random, text: string): string {
  const at = Math.floor(random.next() * (text.length + 1))
  const dice = random.next()
  if (dice < 0.3) return text.slice(0, at)
  if (dice < 0.6)
    return (
      text.slice(0, at) + pick(random, ['"', '{', ',', '\\', '\n', 'é', '\u0000', '9'.repeat(400)]) + text.slice(at)
    )
  if (dice < 0.8) return text.slice(0, at) + text.slice(at + 1 + Math.floor(random.next() * 9))
  if (dice < 0.9) return '['.repeat(1 + Math.floor(random.next() * 20_000))
  return text + text
}

/** One member replaced, removed, or added. */
function damageValue(random: Random, value: object): object {
  const copy = structuredClone(value) as Record<string, unknown>
  const name = pick(random, [...Object.keys(copy), 'extra', '__proto__', 'toString', 'é'.repeat(100)])
  if (random.next() < 0.3) delete copy[name]
  else Object.defineProperty(copy, name, { value: pick(random, ODD), enumerable: true })
  return copy
}

function damageBytes(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes)
  if (random.next() < 0.3) return copy.subarray(0, Math.floor(random.next() * copy.length))
  for (let i = 0; i < 1 + random.next() * 4; i++) {
    copy[Math.floor(random.next() * Math.min(copy.length, random.next() < 0.5 ? 4 : copy.length))] = random.bytes(1)[0]!
  }
  return copy
}

/** One property check per seed drawn, so that a failure can be had again from that seed alone. */
export function run(random: Random, isOver: () => boolean): number {
  let runs = 0
  for (; !isOver(); runs++) {
    const seed = Math.floor(random.next() * 2 ** 32)
    try {
      fuzzClusterFrames(seededRandom(seed))
    } catch (cause) {
      throw new Error(`frames of seed ${seed}`, { cause })
    }
  }
  return runs
}
