/**
 * Prints a line per test file, failures in full, and a closing line `N passed, N failed, N skipped`.
 * KONG_TEST_TALLY names a file for the same numbers.
 */
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { inspect } from 'node:util'

interface TestEvent {
  readonly type: string
  readonly data: {
    readonly name: string
    readonly file?: string
    readonly nesting: number
    readonly skip?: boolean | string
    readonly todo?: boolean | string
    readonly message?: string
    readonly details?: { readonly duration_ms?: number; readonly type?: string; readonly error?: unknown }
  }
}

interface FileTally {
  passed: number
  failed: number
  skipped: number
  milliseconds: number
}

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const files = new Map<string, FileTally>()
  const failures: string[] = []
  const skips: string[] = []
  const notes: string[] = []
  let output = ''
  for await (const { type, data } of source) {
    if (type === 'test:stderr' || type === 'test:stdout') output += data.message ?? ''
    // What a test has to say of itself: figures, seeds. The runner's own summary has no file.
    if (type === 'test:diagnostic' && data.file !== undefined) {
      notes.push(`  note: ${relative(process.cwd(), data.file)}: ${data.message}`)
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue
    if (data.details?.type === 'suite') continue
    const file = data.file === undefined ? '' : relative(process.cwd(), data.file)
    const tally = files.get(file) ?? { passed: 0, failed: 0, skipped: 0, milliseconds: 0 }
    files.set(file, tally)
    if (data.nesting === 0) tally.milliseconds += data.details?.duration_ms ?? 0
    if (data.skip !== undefined && data.skip !== false) {
      tally.skipped += 1
      skips.push(`  skipped: ${file}: ${data.name}${typeof data.skip === 'string' ? ` (${data.skip})` : ''}`)
    } else if (type === 'test:pass') tally.passed += 1
    else {
      tally.failed += 1
      failures.push(`✗ ${file}: ${data.name}\n${indent(inspect(data.details?.error, { depth: 6 }))}\n`)
    }
  }
  const total: FileTally = { passed: 0, failed: 0, skipped: 0, milliseconds: 0 }
  for (const [file, tally] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    total.passed += tally.passed
    total.failed += tally.failed
    total.skipped += tally.skipped
    const counts = `${tally.passed} passed${tally.failed > 0 ? `, ${tally.failed} failed` : ''}${tally.skipped > 0 ? `, ${tally.skipped} skipped` : ''}`
    yield `${tally.failed > 0 ? '✗' : '✓'} ${file}: ${counts} (${(tally.milliseconds / 1000).toFixed(1)} s)\n`
  }
  for (const note of notes) yield `${note}\n`
  for (const skip of skips) yield `${skip}\n`
  if (failures.length > 0) {
    if (output !== '') yield `\nOutput of the tests:\n${output.slice(-20_000)}\n`
    for (const failure of failures) yield `\n${failure}`
  }
  if (total.skipped > 0 && process.env['KONG_TEST_REQUIRE'] === 'all') {
    yield 'KONG_TEST_REQUIRE=all: a skipped test counts as failed\n'
    total.failed += total.skipped
    process.exitCode = 1
  }
  const tallyFile = process.env['KONG_TEST_TALLY']
  if (tallyFile !== undefined) writeFileSync(tallyFile, JSON.stringify(total))
  yield `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}\n`
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ')
}
