import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { fuzzClusterFrames } from '../../fuzz/cluster-frames.ts'
import { aRoute, hashOf } from '../../test/simulation/config-model.ts'
import { seededRandom, systemRandom } from '../base/random.ts'
import type { ConfigChange } from '../entities/config.ts'
import { decodeFromControlPlane, decodeFromDataPlane, encodeMessage } from './messages.ts'
import { createSnapshotReader, encodeSnapshot } from './snapshot-stream.ts'
import { CHUNK_BYTES_MAX, decodeBinary, decodeLine, DELTA_BYTES_MAX, encodeChunk, encodeDelta } from './wire.ts'

const HASH = 'a'.repeat(32)

describe('messages', () => {
  const hello = {
    type: 'hello',
    node_id: '00000000-0000-4000-8000-000000000001',
    hostname: 'dp',
    version: '3.9.1',
    labels: {},
    capabilities: [],
    applied: { version: 0, config_hash: HASH },
  }
  const refused: Record<string, unknown> = {
    'no type': { version: 1 },
    'a type of the other side': { type: 'welcome', node_id: hello.node_id, version: '3.9.1' },
    'an inherited name as type': { type: 'toString' },
    'an unknown member': { type: 'ack', version: 1, config_hash: HASH, more: 1 },
    'a missing member': { type: 'ack', version: 1 },
    'a negative version': { type: 'ack', version: -1, config_hash: HASH },
    'a fraction as version': { type: 'ack', version: 1.5, config_hash: HASH },
    'an upper-case hash': { type: 'ack', version: 1, config_hash: 'A'.repeat(32) },
    'a node id that is none': { ...hello, node_id: '../../etc/passwd' },
    'a host name with a line break': { ...hello, hostname: 'a\nb' },
    'eleven labels': { ...hello, labels: Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`k${i}`, 'v'])) },
    'a label that is no text': { ...hello, labels: { zone: 1 } },
    'too many capabilities': { ...hello, capabilities: Array(257).fill('a') },
    'an array': [],
    null: null,
  }
  for (const [what, value] of Object.entries(refused)) {
    it(`decodeFromDataPlane() refuses ${what}`, () => {
      assert.throws(() => decodeFromDataPlane(JSON.stringify(value)), { name: 'WireError' })
    })
  }

  it('decodeFromDataPlane() refuses what is too large for its type, before it looks inside', () => {
    const renew = `{"type":"renew"${' '.repeat(100)}}`
    assert.throws(() => decodeFromDataPlane(renew), /renew message too large/)
    assert.throws(() => decodeFromDataPlane('['.repeat(1e6)), /message too large/)
    assert.throws(() => decodeFromControlPlane('x'.repeat(1e6)), /message too large/)
  })

  it('encodeMessage() of every kind is within its limit', () => {
    const nack = {
      type: 'nack',
      version: 1,
      entity: 'e'.repeat(64),
      key: 'k'.repeat(256),
      field: 'f',
      message: '\u0001'.repeat(1_000),
    }
    assert.deepEqual(decodeFromDataPlane(encodeMessage(nack as never)), nack)
    const labels = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`${i}${'k'.repeat(62)}`, 'v'.repeat(63)]))
    const largest = { ...hello, labels, capabilities: Array(256).fill('c'.repeat(64)) }
    assert.deepEqual(decodeFromDataPlane(encodeMessage(largest as never)), largest)
  })
})

describe('binary frames', () => {
  const delta = { from: 1, version: 2, config_hash: HASH, changes: [aRoute('a')] }

  it('decodeBinary() gives back what encodeDelta() got, small and compressed', () => {
    const large = { ...delta, changes: Array.from({ length: 500 }, (_, i) => aRoute(`r${i}`)) }
    assert.deepEqual(decodeBinary(encodeDelta(delta)!), { type: 'delta', delta })
    assert.deepEqual(decodeBinary(encodeDelta(large)!), { type: 'delta', delta: large })
    assert.ok(encodeDelta(large)!.length < 10_000)
  })

  it('encodeDelta() leaves a delta that is too large to the snapshot', () => {
    assert.equal(encodeDelta({ ...delta, changes: [aRoute('a', { text: 'x'.repeat(DELTA_BYTES_MAX) })] }), null)
  })

  it('decodeBinary() refuses a delta that unpacks beyond the limit', () => {
    const bomb = Buffer.concat([Buffer.from([1, 1]), zstdCompressSync(Buffer.alloc(DELTA_BYTES_MAX + 1, 32))])
    assert.ok(bomb.length < 10_000)
    assert.throws(() => decodeBinary(bomb), { name: 'WireError' })
  })

  it('decodeBinary() refuses chunks of a wrong size and unknown kinds', () => {
    assert.throws(() => decodeBinary(encodeChunk(Buffer.alloc(CHUNK_BYTES_MAX + 1))), /wrong size/)
    assert.throws(() => decodeBinary(encodeChunk(Buffer.alloc(0))), /wrong size/)
    assert.throws(() => decodeBinary(Buffer.from([9, 0, 1])), /unknown kind/)
    assert.throws(() => decodeBinary(Buffer.from([1])), /too short/)
  })

  it('decodeBinary() refuses a delta that does not go forward', () => {
    const body = Buffer.from(JSON.stringify({ ...delta, version: 1, changes: [] }))
    assert.throws(() => decodeBinary(Buffer.concat([Buffer.from([1, 0]), body])), /wrong version/)
  })

  it('both decoders stand damaged frames (seeded)', t => {
    const seed = Math.floor(systemRandom.next() * 1e9)
    t.diagnostic(`seed ${seed}`)
    for (let i = 0; i < 500; i++) fuzzClusterFrames(seededRandom(seed + i))
  })
})

describe('snapshot stream', () => {
  async function chunksOf(changes: readonly ConfigChange[]): Promise<Buffer[]> {
    async function* batches() {
      for (let i = 0; i < changes.length; i += 100) yield changes.slice(i, i + 100)
    }
    const out: Buffer[] = []
    for await (const frame of encodeSnapshot(batches())) out.push(frame)
    return out
  }
  async function read(frames: readonly Buffer[], hash: string, isEnded = true): Promise<ConfigChange[]> {
    const reader = createSnapshotReader(hash)
    for (const frame of frames) {
      const decoded = decodeBinary(frame)
      assert.ok(decoded.type === 'chunk')
      reader.feed(decoded.bytes)
    }
    if (isEnded) reader.end()
    else reader.abort('connection lost')
    const out: ConfigChange[] = []
    for await (const batch of reader.batches) out.push(...batch)
    return out
  }

  it('createSnapshotReader() gives back the rows, a row larger than a chunk included', async () => {
    const big = aRoute('big', { text: systemRandom.bytes(600_000).toString('base64'), umlaut: 'ü'.repeat(70_000) })
    const changes = [...Array.from({ length: 1_500 }, (_, i) => aRoute(`r${i}`)), big]
    const frames = await chunksOf(changes)
    assert.ok(frames.length > 1)
    for (const frame of frames) assert.ok(frame.length <= CHUNK_BYTES_MAX + 2)
    assert.deepEqual(await read(frames, hashOf(changes)), changes)
    assert.deepEqual(await read(await chunksOf([]), hashOf([])), [])
  })

  it('createSnapshotReader() ends with an error when the rows do not give the hash', async () => {
    await assert.rejects(read(await chunksOf([aRoute('a')]), HASH), /snapshot has config_hash/)
  })

  it('createSnapshotReader() ends with an error when bytes are missing, wrong or lost', async () => {
    const changes = Array.from({ length: 3_000 }, (_, i) =>
      aRoute(`r${i}`, { noise: systemRandom.bytes(300).toString('hex') }),
    )
    const frames = await chunksOf(changes)
    assert.ok(frames.length >= 2)
    await assert.rejects(read(frames.slice(0, -1), hashOf(changes)))
    await assert.rejects(read([encodeChunk(Buffer.from('garbage'))], hashOf(changes)))
    await assert.rejects(read(frames, hashOf(changes), false), /connection lost/)
  })

  it('decodeLine() refuses a deletion', () => {
    assert.throws(() => decodeLine('["routes","a",null]'), /deletion/)
  })
})
