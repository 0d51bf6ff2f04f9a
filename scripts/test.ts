/**
 * `npm test`: format and lint, types, layers, then every test, each with what it needs.
 *
 * Options: `--only checks|unit|gateway|fuzz` (several by comma), `-- FILE...` for single test files.
 * KONG_TEST_REQUIRE=all makes a missing outside program (nginx, openssl ...) a failure instead of a skip.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'

interface Step {
  readonly name: string
  readonly group: 'checks' | 'unit' | 'gateway' | 'fuzz'
  readonly command: readonly string[]
}

const node = process.execPath
const bin = (name: string) => `node_modules/.bin/${name}`
const testFiles = (pattern: string) => globSync(pattern).sort()

function nodeTest(files: readonly string[], concurrency: number): readonly string[] {
  return [
    node,
    '--disable-warning=ExperimentalWarning',
    '--test',
    '--test-reporter=./scripts/test-reporter.ts',
    '--test-reporter-destination=stdout',
    `--test-concurrency=${concurrency}`,
    '--test-timeout=600000',
    ...files,
  ]
}

const cores = availableParallelism()
const steps: readonly Step[] = [
  { name: 'format and lint', group: 'checks', command: [bin('biome'), 'check', '--error-on-warnings'] },
  { name: 'types', group: 'checks', command: [bin('tsc'), '--noEmit', '-p', '.'] },
  { name: 'layers and sizes', group: 'checks', command: [node, 'scripts/tidy.ts'] },
  {
    name: 'unit, contract, conformance and simulation tests',
    group: 'unit',
    command: nodeTest(
      [...testFiles('src/**/*.test.ts'), ...testFiles('test/{contract,conformance,simulation,types,kit}/**/*.test.ts')],
      cores,
    ),
  },
  // Whole programs, several processes each: one file at a time, so that none waits for a core.
  { name: 'gateway tests', group: 'gateway', command: nodeTest(testFiles('test/gateway/**/*.test.ts'), 1) },
  { name: 'fuzzers, a few seconds each', group: 'fuzz', command: [node, 'scripts/fuzz.ts', '--seconds', '3'] },
]

const args = process.argv.slice(2)
const only = args[args.indexOf('--only') + 1]?.split(',')
const wanted = args.includes('--only') ? steps.filter(step => only!.includes(step.group)) : steps
let failed = 0
for (const step of wanted) {
  const startedAt = performance.now()
  console.log(`\n— ${step.name}`)
  const [program, ...rest] = step.command
  const { status } = spawnSync(program!, rest, { stdio: 'inherit' })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  if (status !== 0) failed += 1
  console.log(`${status === 0 ? '✓' : '✗'} ${step.name} (${seconds} s)`)
}
console.log(`\n${failed === 0 ? 'All' : `${failed} of ${wanted.length}`} steps ${failed === 0 ? 'passed' : 'failed'}.`)
process.exitCode = failed === 0 ? 0 : 1
