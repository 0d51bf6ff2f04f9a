import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { createCatalog } from '../entities/catalog.ts'
import { openEmbeddedStore } from './embedded/open-embedded-store.ts'
import { createRepository, type Repository } from './repository.ts'
import type { EntityStore } from './store.ts'

const catalog = createCatalog()
const folder = mkdtempSync(join(tmpdir(), 'row-import-'))
let store: EntityStore
let repository: Repository
let begun = 0
before(async () => {
  store = await openEmbeddedStore({ path: join(folder, 'store.db'), catalog, clock: systemClock })
  const watched: EntityStore = {
    ...store,
    transaction(work) {
      begun += 1
      return store.transaction(work)
    },
  }
  repository = createRepository({ store: watched, catalog, clock: systemClock, random: systemRandom })
})
after(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

const aService = (name: string, host: unknown) => ({
  entity: 'services',
  input: { id: systemRandom.uuid(), name, host },
})

test('import() checks rows before it begins to write', async () => {
  begun = 0
  await assert.rejects(repository.import([aService('good', 'a.test'), aService('bad', 1)]), /host: expected a string/)
  assert.equal(begun, 0)
  await repository.import([aService('good', 'a.test')])
  assert.equal(begun, 1)
})

test('import() finds parents by a name that comes with the same import, and takes the last of the same row', async () => {
  const service = aService('named', 'a.test')
  const route = { entity: 'routes', input: { name: 'by-name', paths: ['/n'], service: { name: 'named' } } }
  await repository.import([route, service])
  assert.deepEqual((await repository.find('routes', 'by-name'))?.['service'], { id: service.input.id })
  const twice = ['b.test', 'c.test'].map(host => ({ ...service, input: { ...service.input, host } }))
  await repository.import(twice)
  assert.equal((await repository.find('services', 'named'))?.['host'], 'c.test')
})
