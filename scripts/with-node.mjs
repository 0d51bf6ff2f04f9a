// Runs a script of this repository on the Node that it pins, installing the packages first if they are missing.
// Plain JavaScript, because it is started by whatever Node the user has (20 or later).
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
process.chdir(root)
const node = join(root, 'node_modules/node/bin/node')

const installed = existsSync(node) && existsSync('node_modules/.package-lock.json')
if (!installed || statSync('package-lock.json').mtimeMs > statSync('node_modules/.package-lock.json').mtimeMs) {
  console.log('Installing packages (once)…')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { stdio: ['ignore', 'ignore', 'inherit'] })
  if (npm.status !== 0) {
    console.error(`npm ci failed with code ${npm.status ?? npm.error?.message}; see above.`)
    process.exit(1)
  }
}
const child = spawn(node, ['--disable-warning=ExperimentalWarning', ...process.argv.slice(2)], { stdio: 'inherit' })
// The terminal sends Ctrl-C to the whole group; the child decides when to end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
child.on('exit', (code, signal) => process.exit(signal === null ? code : 1))
