import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { aRoute, hashOf } from '../../test/simulation/config-model.ts'
import { systemClock } from '../base/clock.ts'
import { createLogger } from '../base/logger.ts'
import { systemRandom } from '../base/random.ts'
import { type ConfigChange, EMPTY_HEAD } from '../entities/config.ts'
import { openSavedConfig, type SavedConfig } from './saved-config.ts'

let folder = ''
let path = ''
let log: string[] = []
let current: SavedConfig | null = null

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'saved-config-'))
  path = join(folder, 'saved-config.db')
  log = []
})
afterEach(() => {
  current?.close()
  current = null
  rmSync(folder, { recursive: true })
})

function reopen(encryptionKey: string | null = null): SavedConfig {
  current?.close()
  current = null
  current = openSavedConfig({
    path,
    encryptionKey,
    entities: ['services', 'routes'],
    clock: systemClock,
    random: systemRandom,
    logger: createLogger({ level: 'info', write: line => log.push(line), now: () => 0 }),
  })
  return current
}

const service: ConfigChange = { entity: 'services', key: 's', row: { id: 's', secret: 'tulips' } }
const all = (saved: SavedConfig) => [...saved.load()].flat()
const asides = () => readdirSync(folder).filter(name => /\.corrupt-[^-]+$/.test(name))

function fill(saved: SavedConfig, changes: readonly ConfigChange[] = [aRoute('a'), service], version = 1): void {
  const stage = saved.beginSnapshot({ version, config_hash: hashOf(changes) })
  for (const change of changes) stage.add([change])
  stage.commit()
}

describe('SavedConfig', () => {
  it('open() makes an empty file that only its owner can read', () => {
    const saved = reopen()
    assert.deepEqual(saved.head(), EMPTY_HEAD)
    assert.equal(saved.isConfigured(), false)
    assert.deepEqual(all(saved), [])
    for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name)
  })

  it('load() gives parents before children after a restart, whatever the order of writing', () => {
    fill(reopen())
    const saved = reopen()
    assert.equal(saved.isConfigured(), true)
    assert.deepEqual(all(saved), [service, aRoute('a')])
    assert.deepEqual(saved.find('services', 's'), service.row)
    assert.equal(saved.find('services', 'none'), null)
  })

  it('load() gives many rows in batches, each once', () => {
    const rows = Array.from({ length: 1_234 }, (_, i) => aRoute(`r${i}`))
    const saved = reopen()
    fill(saved, rows)
    assert.deepEqual(
      all(saved)
        .map(change => change.key)
        .sort(),
      rows.map(change => change.key).sort(),
    )
  })

  it('applyDelta() puts, replaces and deletes, with the last of several changes of a row', () => {
    const saved = reopen()
    fill(saved, [aRoute('a'), aRoute('b')])
    const changes = [
      { entity: 'routes', key: 'a', row: null },
      aRoute('b', { v: 1 }),
      aRoute('b', { v: 2 }),
      { entity: 'routes', key: 'never', row: null },
      aRoute('c'),
    ]
    const head = { version: 5, config_hash: hashOf([aRoute('b', { v: 2 }), aRoute('c')]) }
    assert.deepEqual(saved.check({ from: 1, ...head, changes }), { ok: true })
    saved.applyDelta({ from: 1, ...head, changes })
    assert.deepEqual(reopen().head(), head)
    assert.deepEqual(all(current!), [aRoute('b', { v: 2 }), aRoute('c')])
  })

  it('applyDelta() changes nothing when the start or the hash does not fit', () => {
    const saved = reopen()
    fill(saved, [aRoute('a')])
    const head = saved.head()
    const good = { version: 2, config_hash: hashOf([aRoute('a'), aRoute('b')]), changes: [aRoute('b')] }
    assert.throws(() => saved.applyDelta({ from: 0, ...good }), /starts at 0/)
    assert.throws(() => saved.applyDelta({ from: 1, ...good, config_hash: 'f'.repeat(32) }), /config_hash would be/)
    const outcome = saved.check({ from: 1, ...good, config_hash: 'f'.repeat(32) })
    assert.equal(outcome.ok === false && outcome.resync, true)
    assert.deepEqual(saved.head(), head)
    assert.deepEqual(all(saved), [aRoute('a')])
  })

  it('commit() of a snapshot refuses rows that do not give its hash; abort() leaves no trace', () => {
    const saved = reopen()
    fill(saved, [aRoute('a')])
    const wrong = saved.beginSnapshot({ version: 2, config_hash: hashOf([aRoute('b')]) })
    wrong.add([aRoute('c')])
    assert.throws(() => wrong.commit(), /config_hash is/)
    const aborted = saved.beginSnapshot({ version: 2, config_hash: hashOf([aRoute('b')]) })
    aborted.add([aRoute('b')])
    aborted.abort()
    assert.deepEqual(all(reopen()), [aRoute('a')])
    current!.close()
    const database = new DatabaseSync(path)
    assert.equal(database.prepare('SELECT count(*) AS n FROM rows').get()!['n'], 1)
    database.close()
    current = null
  })

  it('a snapshot may go back in versions and empty the configuration', () => {
    const saved = reopen()
    fill(saved, [aRoute('a')], 9)
    fill(saved, [], 3)
    assert.equal(reopen().head().version, 3)
    assert.equal(current!.isConfigured(), true)
  })
})

describe('SavedConfig when the file is damaged', () => {
  const damages: Record<string, () => void> = {
    'garbage instead of a database': () => writeFileSync(path, 'not a database '.repeat(1000)),
    'pages overwritten': () => {
      const bytes = readFileSync(path)
      bytes.fill(0xab, 4096)
      writeFileSync(path, bytes)
    },
    'cut in the middle': () => truncateSync(path, Math.floor(statSync(path).size / 2)),
    'a row changed': () => edit(`UPDATE rows SET value = replace(value, 'tulips', 'thorns')`),
    'a row missing': () => edit(`DELETE FROM rows WHERE entity = 'services'`),
    'another format': () => edit('PRAGMA user_version = 99'),
    'another application': () => edit('PRAGMA application_id = 7'),
    'a table missing': () => edit('DROP TABLE rows'),
  }
  function edit(sql: string): void {
    const database = new DatabaseSync(path)
    database.exec(sql)
    database.close()
  }
  for (const [what, damage] of Object.entries(damages)) {
    it(`open() sets it aside and starts empty: ${what}`, () => {
      fill(reopen(), [service, ...Array.from({ length: 300 }, (_, i) => aRoute(`r${i}`))])
      current!.close()
      current = null
      damage()
      const saved = reopen()
      assert.deepEqual(saved.head(), EMPTY_HEAD)
      assert.equal(saved.isConfigured(), false)
      assert.equal(asides().length, 1)
      assert.match(log.join(''), /set aside as/)
      fill(saved)
      assert.equal(all(reopen()).length, 2)
    })
  }

  it('open() accepts a file that was created but never filled by SQLite', () => {
    writeFileSync(path, '')
    assert.equal(reopen().isConfigured(), false)
    assert.equal(asides().length, 0)
  })

  it('open() keeps the newest three of the files set aside', () => {
    for (let i = 0; i < 5; i++) writeFileSync(join(folder, `saved-config.db.corrupt-2020010${i}T000000000Z`), '')
    writeFileSync(path, 'garbage'.repeat(1000))
    reopen()
    assert.equal(asides().length, 3)
  })
})

describe('SavedConfig encryption', () => {
  const onDisk = () =>
    readdirSync(folder)
      .map(name => readFileSync(join(folder, name), 'latin1'))
      .join('')

  it('open() with a key stores no plain value, and reads it back', () => {
    fill(reopen('open sesame'))
    assert.ok(!onDisk().includes('tulips'))
    assert.deepEqual(all(reopen('open sesame')), [service, aRoute('a')])
  })

  it('open() with another key, or none, sets the file aside and says so', () => {
    fill(reopen('open sesame'))
    assert.equal(reopen('abracadabra').isConfigured(), false)
    assert.match(log.join(''), /another key/)
    fill(current!)
    assert.equal(reopen(null).isConfigured(), false)
    assert.match(log.join(''), /no key is configured/)
    assert.equal(asides().length, 2)
  })

  it('open() rewrites a plain file once a key is configured', () => {
    fill(reopen())
    assert.ok(onDisk().includes('tulips'))
    assert.deepEqual(all(reopen('open sesame')), [service, aRoute('a')])
    assert.ok(!onDisk().includes('tulips'))
    assert.deepEqual(current!.head(), { version: 1, config_hash: hashOf([service, aRoute('a')]) })
  })

  it('source() is what was noted, until the rows change', () => {
    const plain = reopen()
    fill(plain)
    assert.equal(plain.source(), null)
    plain.noteSource('0123abcd')
    assert.equal(reopen('open sesame').source(), '0123abcd')
    fill(current!, [aRoute('b')])
    assert.equal(current!.source(), null)
  })

  it('open() notices a value moved to another row', () => {
    fill(reopen('k'), [aRoute('a'), aRoute('b')])
    current!.close()
    current = null
    const database = new DatabaseSync(path)
    database.exec(`UPDATE rows SET value = (SELECT value FROM rows WHERE key = 'a') WHERE key = 'b'`)
    database.close()
    assert.equal(reopen('k').isConfigured(), false)
  })
})

describe('SavedConfig and kill -9', () => {
  for (const key of [null, 'open sesame']) {
    it(`a killed node finds the old or the new version, never a mix (${key === null ? 'plain' : 'encrypted'})`, async () => {
      const script = fileURLToPath(new URL('../../test/simulation/apply-until-killed.ts', import.meta.url))
      for (let round = 0; round < 6; round++) {
        const child = spawn(process.execPath, [script, path, ...(key === null ? [] : [key])], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        let last = 0
        let seen = 0
        child.stdout.on('data', (data: Buffer) => {
          last = Number(data.toString().trim().split('\n').at(-1))
          // Some versions in, at whatever moment of the next one.
          if (++seen === 5 + round) child.kill('SIGKILL')
        })
        await once(child, 'close')
        const saved = reopen(key)
        const rows = all(saved)
        const { version } = saved.head()
        assert.ok(version >= last, `version ${last} was acknowledged, ${version} found`)
        assert.equal(rows.length, 200)
        assert.deepEqual([...new Set(rows.map(change => change.row!['version']))], [version])
        current!.close()
        current = null
      }
      assert.equal(asides().length, 0)
    })
  }
})
