/** The embedded store on a disk that is full: a small file system in memory, filled to the last byte. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { openEmbeddedStore } from '../../src/store/embedded/open-embedded-store.ts'
import { contractCatalog } from './store.catalog.ts'
import { rowBuilders } from './store.kit.ts'

const folder = mkdtempSync(join(tmpdir(), 'full-'))
const isMounted =
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder], { stdio: 'ignore' }).status === 0
after(() => {
  if (isMounted) execFileSync('umount', [folder])
  rmSync(folder, { recursive: true })
})

const skip = isMounted ? false : 'only root may mount a file system to fill'

test('a full disk refuses writes, keeps what was acknowledged readable, and is forgiven once there is room', {
  skip,
}, async () => {
  const store = await openEmbeddedStore({ path: join(folder, 'a.db'), catalog: contractCatalog, clock: systemClock })
  const rows = rowBuilders(systemRandom)
  const write = () => {
    const house = rows.house({ details: { roof: 'x'.repeat(20_000) } })
    return store.transaction(tx => tx.insert('houses', house)).then(() => house)
  }
  const first = await write()
  const filler = join(folder, 'filler')
  assert.throws(() => writeFileSync(filler, Buffer.alloc(8 * 1024 * 1024)), /ENOSPC/)
  await assert.rejects(async () => {
    for (let at = 0; at < 50; at += 1) await write()
  }, /full|I\/O/)
  assert.deepEqual(await store.find('houses', first['id'] as string), first)
  const { version } = await store.head()
  rmSync(filler)
  await write()
  assert.equal((await store.head()).version, version + 1)
  await store.close()
})
