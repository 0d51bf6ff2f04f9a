/** decK, the command line client of Kong's Admin API: the real program, which .ci/deck builds. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** As in .ci/deck. */
const VERSION = 'v1.65.1'

export interface DeckResult {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function findDeck(): string | null {
  const outside = process.env['KONG_TEST_DECK']
  if (outside !== undefined) return outside
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const built = join(cache, 'silverback-test/deck', VERSION, 'deck')
  if (existsSync(built)) return built
  return spawnSync('deck', ['version']).error === undefined ? 'deck' : null
}

/** Why tests with decK are skipped; false when they run. */
export function deckIsMissing(): string | false {
  if (process.env['KONG_TEST_REQUIRE'] === 'all' || findDeck() !== null) return false
  return 'needs decK: .ci/deck builds it (some minutes, with Go), or KONG_TEST_DECK=path'
}

export interface DeckOptions {
  /** Of the Admin API; null for commands that ask nobody. */
  readonly admin: string | null
  readonly folder: string
}

export function deck(args: readonly string[], { admin, folder }: DeckOptions): Promise<DeckResult> {
  const program = findDeck()
  if (program === null) throw new Error('there is no decK: run .ci/deck')
  const address = admin === null ? [] : ['--kong-addr', admin]
  const env = { PATH: process.env['PATH'], HOME: folder }
  const child = spawn(program, [...args, '--analytics=false', ...address], { cwd: folder, env })
  let out = ''
  let err = ''
  child.stdout.on('data', chunk => (out += chunk))
  child.stderr.on('data', chunk => (err += chunk))
  child.stdin.end()
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve({ code, out, err }))
  })
}
