import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { createLogger } from '../base/logger.ts'
import { systemRandom } from '../base/random.ts'
import { createCatalog } from '../entities/catalog.ts'
import * as field from '../schema/field.ts'
import { warningOfDeprecated } from './deprecation-warnings.ts'
import { openEmbeddedStore } from './embedded/open-embedded-store.ts'
import { createRepository } from './repository.ts'

const deprecation = (message: string, old_default?: number) => ({
  message,
  removal_in_version: '4.0',
  ...(old_default === undefined ? {} : { old_default }),
})

test('a write that uses a deprecated field is warned of, once it is done', async t => {
  const inner = { speed: field.integer({ deprecation: deprecation('mirror: speed is deprecated') }) }
  const config = {
    angle: field.integer({ deprecation: deprecation('mirror: angle is deprecated', 90) }),
    light: field.record(inner, {}),
    colour: field.string({}),
  }
  const plugin = { name: 'mirror', config, protocols: ['http'], scopes: ['service'], priority: 1 } as const
  const catalog = createCatalog({ plugins: [plugin] })
  const folder = mkdtempSync(join(tmpdir(), 'deprecated-'))
  const store = await openEmbeddedStore({ path: join(folder, 'store.db'), catalog, clock: systemClock })
  t.after(async () => {
    await store.close()
    rmSync(folder, { recursive: true })
  })
  const lines: string[] = []
  const log = createLogger({
    level: 'info',
    write: line => lines.push(line.replace(/^.*#0: /, '').trim()),
    now: () => 0,
  })
  const repository = warningOfDeprecated(
    createRepository({ store, catalog, clock: systemClock, random: systemRandom }),
    { catalog, log },
  )
  const { id } = await repository.insert('plugins', { name: 'mirror', config: { colour: 'red', angle: 90 } })
  assert.deepEqual(lines, [], 'the value of before is no use of it')
  await repository.update('plugins', String(id), { config: { angle: 45, light: { speed: 3 } } })
  assert.deepEqual(lines.splice(0), [
    'mirror: angle is deprecated {"removal_in_version":"4.0"}',
    'mirror: speed is deprecated {"removal_in_version":"4.0"}',
  ])
  await assert.rejects(repository.upsert('plugins', String(id), { name: 'mirror', config: { angle: 'steep' } }))
  assert.deepEqual(lines, [], 'what is refused is not warned of')
  await repository.upsert('plugins', String(id), { name: 'mirror', config: { angle: 1 } })
  assert.equal(lines.length, 1)
  await repository.insert('services', { name: 'a', host: 'a.test' })
  assert.equal(lines.length, 1)
})
