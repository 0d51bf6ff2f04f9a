import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { ManualClock } from '../../test/simulation/manual-clock.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom, systemRandom } from '../base/random.ts'
import { loadClusterAuthority } from './authority.ts'
import { createDataPlaneRecords } from './data-plane-records.ts'
import { loadNodeId } from './node-id.ts'
import { openIdentityStore } from './node-identity.ts'
import type { DataPlaneRecord } from '../entities/cluster-view.ts'
import { type ClusterRecords, COLLECTIONS, createMemoryRecords } from './records.ts'
import { createSnapshotSpool } from './snapshot-spool.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-files-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('node id', () => {
  const load = (configured: string | null = null) => loadNodeId({ prefix: folder, configured, random: systemRandom })

  it('loadNodeId() is random at first and the same ever after', () => {
    const id = load()
    assert.match(id, /^[0-9a-f-]{36}$/)
    assert.equal(load(), id)
    assert.equal(readFileSync(join(folder, 'kong.id'), 'utf8').trim(), id)
  })

  it('loadNodeId() takes the setting before the file, and overwrites what is no id', () => {
    const configured = '12345678-1234-4234-8234-123456789abc'
    load()
    assert.equal(load(configured), configured)
    assert.equal(load(), configured)
    writeFileSync(join(folder, 'kong.id'), 'garbage')
    assert.notEqual(load(), configured)
    assert.notEqual(load(), 'garbage')
  })
})

describe('identity store', () => {
  it('openIdentityStore() keeps key, certificate and authority, for the owner only', async () => {
    const clock = new ManualClock(Date.now())
    const records = createMemoryRecords(() => clock.now())
    const authority = await loadClusterAuthority({ records, clock, random: systemRandom })
    const path = join(folder, 'identity')
    const store = await openIdentityStore(path)
    const { publicKey } = store.read()
    assert.equal(store.read().certificate, null)
    const { certificate } = authority.issueNode('00000000-0000-4000-8000-000000000001', publicKey)
    store.saveAdmission(authority.certificate, certificate)
    const again = (await openIdentityStore(path)).read()
    assert.deepEqual(again, store.read())
    assert.equal(again.certificate, certificate)
    assert.equal(statSync(path).mode & 0o777, 0o700)
    for (const name of readdirSync(path)) assert.equal(statSync(join(path, name)).mode & 0o777, 0o600, name)
    store.forgetCertificate()
    assert.equal((await openIdentityStore(path)).read().certificate, null)
  })

  it('openIdentityStore() ignores a certificate that is not for its key', async () => {
    await openIdentityStore(folder)
    writeFileSync(join(folder, 'node.crt'), 'garbage')
    assert.equal((await openIdentityStore(folder)).read().certificate, null)
  })
})

describe('snapshot spool', () => {
  it('chunk() gives back what was appended, from memory and from the file, which has no name', () => {
    const random = seededRandom(7)
    const spool = createSnapshotSpool({ folder, random, memoryBytesMax: 1_000 })
    const chunks = Array.from({ length: 20 }, () => random.bytes(100 + Math.floor(random.next() * 200)))
    for (const chunk of chunks) spool.append(chunk)
    assert.deepEqual(readdirSync(folder), [])
    assert.equal(spool.length, 20)
    for (const [i, chunk] of chunks.entries()) assert.deepEqual(Buffer.from(spool.chunk(i)), chunk)
    spool.close()
  })
})

describe('data plane records', () => {
  const record = (version: number, last_seen: number): DataPlaneRecord => ({
    id: '00000000-0000-4000-8000-000000000001',
    hostname: 'dp',
    ip: '10.0.0.1',
    version: '3.9.1',
    config_hash: '0'.repeat(32),
    sync_status: 'normal',
    last_seen,
    labels: null,
    cert_details: null,
    applied_version: version,
    last_error: null,
  })

  it('note() writes changes at once, then at most once a second, and heartbeats rarely', async () => {
    const clock = new ManualClock(1_700_000_000_000)
    const memory = createMemoryRecords(() => clock.now())
    let writes = 0
    const records: ClusterRecords = {
      ...memory,
      put(...args) {
        writes++
        return memory.put(...args)
      },
    }
    const statuses = createDataPlaneRecords({ records, purgeDelaySeconds: 60, clock, logger: silentLogger })
    const settle = () => new Promise(resolve => setImmediate(resolve))
    const second = () => Math.floor(clock.now() / 1000)
    statuses.note(record(1, second()), true)
    await settle()
    assert.equal(writes, 1)
    for (let version = 2; version < 100; version++) statuses.note(record(version, second()), true)
    await settle()
    assert.equal(writes, 1)
    clock.advance(1_000)
    await settle()
    assert.equal(writes, 2)
    for (let i = 0; i < 10; i++) {
      statuses.note(record(99, second()), false)
      clock.advance(1_000)
      await settle()
    }
    assert.equal(writes, 2)
    clock.advance(10_000)
    await settle()
    assert.equal(writes, 3)
    const { rows, next } = await statuses.page({ size: 10, after: null })
    assert.equal(next, null)
    assert.equal(rows[0]?.applied_version, 99)
    assert.ok(rows[0]!.ttl > 0 && rows[0]!.ttl <= 60)
    clock.advance(120_000)
    assert.deepEqual((await statuses.page({ size: 10, after: null })).rows, [])
    await statuses.close()
  })

  it('page() walks through all rows in order of id', async () => {
    const clock = new ManualClock(1_700_000_000_000)
    const records = createMemoryRecords(() => clock.now())
    const statuses = createDataPlaneRecords({ records, purgeDelaySeconds: 60, clock, logger: silentLogger })
    for (let i = 9; i > 0; i--) {
      statuses.note({ ...record(1, 1_700_000_000), id: `00000000-0000-4000-8000-00000000000${i}` }, true)
    }
    const seen: string[] = []
    for (let after: string | null = null; ; ) {
      const { rows, next } = await statuses.page({ size: 4, after })
      seen.push(...rows.map(row => row.id))
      if (next === null) break
      after = next
    }
    assert.equal(seen.length, 9)
    assert.deepEqual(seen, seen.toSorted())
    assert.equal((await records.list(COLLECTIONS.dataPlanes)).length, 9)
    await statuses.close()
  })
})
