/** `npm run bench`: all benchmarks one after the other, or those named; prints Markdown for results.md. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const ALL = [
  'proxy-cpu',
  'http2-cpu',
  'routes',
  'https',
  'stream',
  'propagation',
  'churn',
  'start',
  'fleet',
  'store',
  'admin-api',
  'large',
  'bodies',
  'latency',
  'idle',
]
const [first, ...rest] = process.argv.slice(2)
const named = first === undefined ? ALL : [first]
for (const name of named) {
  const script = join(import.meta.dirname, `${name}.ts`)
  if (!existsSync(script)) {
    console.error(`no benchmark "${name}"; there are: ${ALL.join(', ')}`)
    process.exit(2)
  }
  const { status } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...rest], {
    stdio: 'inherit',
  })
  console.log()
  if (status !== 0) process.exitCode = 1
}
