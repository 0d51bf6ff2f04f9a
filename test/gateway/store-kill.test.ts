/** Killed at any moment, the embedded store has lost nothing that it acknowledged. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { EMPTY_CONFIG_HASH } from '../../src/entities/config.ts'
import { rowDigest, toggleDigest } from '../../src/entities/config-digest.ts'
import { openEmbeddedStore } from '../../src/store/embedded/open-embedded-store.ts'
import { contractCatalog } from '../contract/store.catalog.ts'

const rounds = 10
const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31))
const folder = mkdtempSync(join(tmpdir(), 'store-kill-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test(`an embedded store killed with -9 ${rounds} times keeps every acknowledged write (SEED=${seed})`, async t => {
  const random = seededRandom(seed)
  const path = join(folder, 'store.db')
  /** What the writers were told: the size of a house, or null when it was deleted. */
  const promised = new Map<string, number | null>()
  let version = 0
  for (let round = 0; round < rounds; round += 1) {
    for (const [id, size] of await acknowledgedUntilKilled(path, random.next() * 150)) promised.set(id, size)
    checkIntegrity(path)
    version = await check(path, promised, version)
  }
  assert.ok(promised.size > 0, 'something was acknowledged')
  t.diagnostic(`${promised.size} rows acknowledged, ${version} versions`)
})

/** Two writers on one file, killed together in the middle of their work. */
async function acknowledgedUntilKilled(path: string, afterMs: number): Promise<Map<string, number | null>> {
  const script = new URL('./store-writer.ts', import.meta.url).pathname
  const writers = [0, 1].map(() => spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] }))
  const outputs = writers.map(({ stdout }) => {
    const chunks: Buffer[] = []
    stdout.on('data', chunk => chunks.push(chunk))
    return chunks
  })
  const closed = writers.map(writer => once(writer, 'close'))
  await Promise.race(writers.map(({ stdout }) => once(stdout, 'data')))
  await wait(afterMs)
  for (const writer of writers) writer.kill('SIGKILL')
  await Promise.all(closed)
  const promised = new Map<string, number | null>()
  // A last line without its end was not told in full.
  const lines = outputs.flatMap(chunks => Buffer.concat(chunks).toString().split('\n').slice(0, -1))
  for (const line of lines) {
    const [what, id, size] = line.split(' ') as [string, string, string]
    promised.set(id, what === 'deleted' ? null : Number(size))
  }
  return promised
}

function checkIntegrity(path: string): void {
  const file = new DatabaseSync(path)
  assert.equal(file.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok')
  assert.deepEqual(file.prepare('PRAGMA foreign_key_check').all(), [])
  file.close()
}

async function check(path: string, promised: ReadonlyMap<string, number | null>, before: number): Promise<number> {
  const store = await openEmbeddedStore({ path, catalog: contractCatalog, clock: systemClock })
  const { head, batches } = await store.export()
  const sizes = new Map<string, number>()
  let hash = EMPTY_CONFIG_HASH
  for await (const batch of batches) {
    for (const { entity, key, row } of batch) {
      hash = toggleDigest(hash, rowDigest(entity, key, row))
      sizes.set(key, row['size'] as number)
    }
  }
  for (const [id, size] of promised) {
    const held = sizes.get(id) ?? null
    // A write that was carried out but not yet acknowledged when the process died is as good as none.
    const fits = size === null ? held === null : held !== null && held >= size
    assert.ok(fits, `house ${id}: acknowledged ${size}, found ${held}`)
  }
  assert.equal(hash, head.config_hash)
  assert.ok(head.version > before, 'the version has grown')
  const delta = await store.changesSince(before)
  if (delta !== null) for (const { key, row } of delta.changes) assert.equal(sizes.has(key), row !== null)
  await store.close()
  return head.version
}
