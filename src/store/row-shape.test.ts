import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock as clock } from '../base/clock.ts'
import { systemRandom as random } from '../base/random.ts'
import { createCatalog } from '../entities/catalog.ts'
import type { RouterFlavor } from '../entities/routes.ts'
import { openEmbeddedStore } from './embedded/open-embedded-store.ts'
import { createRepository } from './repository.ts'
import { changedEntities, missingPreparation } from './row-shape.ts'

const shape = (...entities: readonly (readonly string[])[]) => JSON.stringify(entities)

test('missingPreparation() names fields that came and went, and entities', () => {
  const stored = shape(['a', 'id', 'old'], ['b', 'id'], ['gone', 'id'])
  const own = shape(['a', 'id', 'new', 'newer'], ['b', 'id'], ['come', 'id'])
  assert.match(
    missingPreparation(stored, own),
    /^preparation for new, newer of a and a without old and the entities come and doing without the entities gone \(/,
  )
  assert.deepEqual(changedEntities(stored, own), ['a'])
})

test('the embedded store opens for another router_flavor unless a route could not run there', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'row-shape-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const open = async (router_flavor: RouterFlavor) => {
    const catalog = createCatalog({ router_flavor })
    const store = await openEmbeddedStore({ path: join(folder, 'store.db'), catalog, clock })
    return { store, repository: createRepository({ store, catalog, clock, random }) }
  }
  const first = await open('traditional')
  const { id } = await first.repository.insert('routes', { name: 'plain', paths: ['/p'] })
  await first.store.close()
  const second = await open('expressions')
  assert.equal((await second.repository.find('routes', 'plain'))?.['id'], id)
  for (let at = 0; at < 7; at += 1) {
    await second.repository.insert('routes', { name: `e${at}`, expression: 'http.path == "/e"' })
  }
  const head = await second.store.head()
  await second.store.close()
  await assert.rejects(
    open('traditional_compatible'),
    /routes 'e\d': schema violation \(must set one of .*; and 2 more\. /,
  )
  const again = await open('expressions')
  assert.deepEqual(await again.store.head(), head)
  for (let at = 0; at < 7; at += 1) await again.repository.delete('routes', `e${at}`)
  await again.store.close()
  const last = await open('traditional_compatible')
  assert.equal((await last.repository.find('routes', 'plain'))?.['id'], id)
  await last.store.close()
})
