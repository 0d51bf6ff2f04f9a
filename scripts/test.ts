/**
 * `npm test`: format and lint, types, layers, then every test, each with what it needs.
 *
 * Options: `--only checks|unit|gateway|fuzz` (several by comma), or FILE... for single test files
 * (`npm test -- FILE`).
 * KONG_TEST_REQUIRE=all makes a missing outside program (nginx, openssl ...) a failure instead of a skip.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

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
      [
        ...testFiles('{src,fuzz,scripts}/**/*.test.ts'),
        ...testFiles('test/{contract,conformance,simulation,types,kit}/**/*.test.ts'),
      ],
      cores,
    ),
  },
  // Whole programs, several processes each: one file at a time, so that none waits for a core.
  { name: 'gateway tests', group: 'gateway', command: nodeTest(testFiles('test/{cli,gateway}/**/*.test.ts'), 1) },
  { name: 'fuzzers, a few seconds each', group: 'fuzz', command: [node, 'scripts/fuzz.ts', '--total', '42'] },
]

const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' } } })
const groups = values.only?.split(',')
const wanted: readonly Step[] =
  positionals.length > 0
    ? [{ name: positionals.join(' '), group: 'unit', command: nodeTest(positionals, 1) }]
    : steps.filter(({ group }) => groups === undefined || groups.includes(group))
if (wanted.length === 0) throw new Error(`--only ${values.only}: there are checks, unit, gateway and fuzz`)
const folder = mkdtempSync(join(tmpdir(), 'silverback-tally-'))
const total = { passed: 0, failed: 0, skipped: 0 }
const failedSteps: string[] = []
for (const step of wanted) {
  const startedAt = performance.now()
  console.log(`\n— ${step.name}`)
  const [program, ...rest] = step.command
  const tallyFile = join(folder, `${step.group}.json`)
  const env = { ...process.env, KONG_TEST_TALLY: tallyFile }
  const { status } = spawnSync(program!, rest, { stdio: 'inherit', env })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  if (status !== 0) failedSteps.push(step.name)
  add(status === 0, tallyFile)
  console.log(`${status === 0 ? '✓' : '✗'} ${step.name} (${seconds} s)`)
}
rmSync(folder, { recursive: true })
console.log(failedSteps.length === 0 ? '\nAll steps passed.' : `\nFailed: ${failedSteps.join(', ')}.`)
const { passed, failed, skipped } = total
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed === 0 ? 0 : 1

/** A step without tests of its own, or that broke off before it could count them, counts as one. */
function add(isGood: boolean, tallyFile: string): void {
  const tally = existsSync(tallyFile) ? (JSON.parse(readFileSync(tallyFile, 'utf8')) as typeof total) : null
  total.passed += tally?.passed ?? (isGood ? 1 : 0)
  total.failed += Math.max(tally?.failed ?? 0, isGood ? 0 : 1)
  total.skipped += tally?.skipped ?? 0
}
