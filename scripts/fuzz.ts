/**
 * Runs every fuzz target for a while: `node scripts/fuzz.ts [--seconds N | --total N] [--seed N] [TARGET...]`. With
 * `--total` all of them together take N seconds, however many there are.
 *
 * A target is a file in fuzz/ that exports `name` and `run(random, deadline)`: it makes inputs from the seeded
 * random source, first of all those in fuzz/corpus/<name>/, and throws when a property does not hold.
 */
import { globSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { inspect, parseArgs } from 'node:util'
import { type Random, seededRandom, systemRandom } from '../src/base/random.ts'

export interface FuzzTarget {
  readonly name: string
  /** Returns how many inputs it tried. `isOver` turns true when the time is up. */
  run(random: Random, isOver: () => boolean): number | Promise<number>
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '10' }, total: { type: 'string' }, seed: { type: 'string' } },
})

let passed = 0
let failed = 0
const files = globSync('fuzz/*.ts', { exclude: ['**/*.test.ts'] }).sort()
const targets = await Promise.all(files.map(async file => (await import(pathToFileURL(file).href)) as FuzzTarget))
const wanted = targets.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
const seconds = values.total === undefined ? Number(values.seconds) : Number(values.total) / wanted.length
for (const target of wanted) {
  const seed = values.seed === undefined ? Math.floor(systemRandom.next() * 2 ** 32) : Number(values.seed)
  const deadline = performance.now() + seconds * 1000
  try {
    const count = await target.run(seededRandom(seed), () => performance.now() > deadline)
    passed += 1
    console.log(`✓ ${target.name}: ${count} inputs (seed ${seed})`)
  } catch (error) {
    failed += 1
    console.error(`✗ ${target.name} (again with: --seed ${seed} ${target.name})\n${inspect(error)}`)
  }
}
console.log(`fuzz: ${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
