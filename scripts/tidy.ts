/** Checks what no linter knows: layers, dependencies' rooms, injected effects, sizes, names, leftovers. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'

/** Who may import whom. A folder may always import itself; files at the root of src/ are named with `.ts`. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  schema: ['base'],
  entities: ['base', 'schema'],
  settings: ['base', 'schema'],
  sdk: ['base', 'schema', 'entities'],
  plugins: ['sdk'],
  vaults: ['sdk'],
  declarative: ['base', 'schema', 'entities'],
  store: ['base', 'schema', 'entities'],
  proxy: ['base', 'schema', 'entities', 'sdk'],
  cluster: ['base', 'schema', 'entities', 'declarative'],
  configuration: [],
  client: ['configuration'],
  admin: ['base', 'schema', 'entities', 'sdk', 'declarative', 'store'],
  status: ['base'],
  node: [
    'base',
    'schema',
    'entities',
    'settings',
    'sdk',
    'plugins',
    'vaults',
    'declarative',
    'store',
    'proxy',
    'cluster',
    'admin',
    'status',
  ],
  cli: ['base', 'schema', 'entities', 'settings', 'declarative', 'store', 'plugins', 'vaults', 'node', 'gateway.ts'],
}

/** Effects that must be injected, so that tests and the simulator can replace them. */
const BANNED = [
  { pattern: /\bDate\.now\(/, use: 'clock.now()' },
  { pattern: /\bMath\.random\(/, use: 'random.next()' },
  { pattern: /\bset(Timeout|Interval)\(/, use: 'clock.after() or clock.every()' },
  { pattern: /^import (?!type )[^\n]* from 'node:http'/m, use: 'http of base/node-http.ts, which says why' },
] as const

/** npm packages, and the folders (or files) that may import them. */
const PACKAGES: Record<string, readonly string[]> = {
  ws: ['src/cluster/', 'test/', 'bench/'],
  kysely: ['src/store/'],
  pg: ['src/store/postgres/', 'test/', 'bench/'],
  'cassandra-driver': ['src/store/cassandra/', 'test/', 'bench/'],
  yaml: ['src/declarative/', 'test/'],
  '@fastify/busboy': ['src/admin/'],
}

/** Folders whose job is one of these effects: a process reads its own environment and owns its own timers there. */
const ENVIRONMENT_READERS = [
  'src/settings/',
  'src/cli/',
  'src/main.ts',
  'src/node/fork-worker.ts',
  'src/node/worker.ts',
]

const FORBIDDEN_NAMES = new Set([
  'utils',
  'helpers',
  'common',
  'misc',
  'core',
  'shared',
  'lib',
  'types',
  'index',
  'handler',
])
const FILE_LINES_MAX = 500
/** Files that may be longer, each with its reason. */
const LONG_FILES: Record<string, string> = {
  'src/configuration/entity-types.ts': 'generated from the schemas: every field of every entity and plugin',
  'src/settings/definition.ts': 'one table: every property of kong.conf, with its description',
}
/** A ratchet: functions of this length fail, so that short ones do not creep past the wall; longer ones are listed. */
const FUNCTION_LINES = { from: 71, to: 80 }

/** What is run, or imported by others than us. */
const ENTRIES = [
  'src/main.ts',
  'src/worker.ts',
  'src/sdk/sdk.ts',
  'src/node/evaluate-config.ts',
  'src/configuration/define-config.ts',
  'src/client/admin-client.ts',
]

const failures: string[] = []
const fail = (file: string, message: string) => failures.push(`${file}: ${message}`)

function roomOf(path: string): string {
  return path.split('/')[1]!
}

function checkImports(file: string, text: string): void {
  const room = roomOf(file)
  const imports =
    /^(?:import|export)\b[^'\n]*\bfrom '([^']+)'|^\} from '([^']+)'|\bimport\('([^']+)'\)|^import '([^']+)'/gm
  for (const [, one, two, three, four] of text.matchAll(imports)) {
    const path = (one ?? two ?? three ?? four)!
    if (path.startsWith('.')) {
      const target = normalize(join(dirname(file), path))
      if (!existsSync(target)) fail(file, `imports ${path}, which does not exist`)
      if (!target.startsWith('src/')) continue
      const other = roomOf(target)
      const allowed = MAY_IMPORT[room]
      if (allowed !== undefined && other !== room && !allowed.includes(other))
        fail(file, `${room} may not import ${other}`)
    } else if (!path.startsWith('node:')) {
      const name = path.startsWith('@') ? path.split('/').slice(0, 2).join('/') : path.split('/')[0]!
      const rooms = PACKAGES[name]
      if (rooms === undefined) fail(file, `imports ${name}, which is no dependency in the table of scripts/tidy.ts`)
      else if (!rooms.some(allowed => file.startsWith(allowed)))
        fail(file, `only ${rooms.join(', ')} may import ${name}`)
    }
  }
}

function checkEffects(file: string, text: string): void {
  if (file.startsWith('src/base/') || file.endsWith('.test.ts')) return
  for (const { pattern, use } of BANNED) if (pattern.test(text)) fail(file, `use ${use}`)
  if (!ENVIRONMENT_READERS.some(allowed => file.startsWith(allowed)) && /\bprocess\.env\b/.test(text)) {
    fail(file, 'only src/settings and the command line read process.env')
  }
}

function checkShape(file: string, lines: readonly string[]): void {
  const name = basename(file, '.ts').replace(/\.(test|contract)$/, '')
  if (FORBIDDEN_NAMES.has(name)) fail(file, `"${name}" says nothing; name the file after its main export`)
  if (lines.length > FILE_LINES_MAX && LONG_FILES[file] === undefined) {
    fail(file, `${lines.length} lines; split it (wall: ${FILE_LINES_MAX})`)
  }
  if (!file.endsWith('.test.ts') && !/^(\/\*\*|\/\/|#!)/.test(lines[0] ?? ''))
    fail(file, 'the first line must say what the file is for')
}

/** Finds functions by indentation: from a line that opens one to the line that closes it at the same depth. */
function checkFunctions(file: string, lines: readonly string[]): void {
  if (file.endsWith('.test.ts')) return
  const opens =
    /^(\s*)(?:export )?(?:default )?(?:(?:async )?function\b|(?:const|let) \w+ = (?:async )?\(|(?:static |private |async |get |set )*#?\w+\([^)]*\)[^=;]*\{$)/
  for (let i = 0; i < lines.length; i++) {
    const match = opens.exec(lines[i]!)
    if (match === null || !lines[i]!.trimEnd().endsWith('{')) continue
    const close = `${match[1]}}`
    let end = i + 1
    while (end < lines.length && !(lines[end]!.startsWith(close) && !lines[end]!.startsWith(`${close} else`))) end++
    const length = end - i + 1
    if (length >= FUNCTION_LINES.from && length <= FUNCTION_LINES.to)
      fail(`${file}:${i + 1}`, `a function of ${length} lines (wall: 70)`)
  }
}

function checkCycles(files: readonly string[], texts: ReadonlyMap<string, string>): void {
  const edges = new Map<string, string[]>()
  for (const file of files) {
    const out: string[] = []
    for (const [, path] of texts.get(file)!.matchAll(/^(?:import (?!type)|export (?!type))[^'\n]*'(\.[^']+)'/gm)) {
      out.push(normalize(join(dirname(file), path!)))
    }
    edges.set(file, out)
  }
  const state = new Map<string, 'open' | 'done'>()
  const visit = (file: string, trail: readonly string[]): void => {
    if (state.get(file) === 'done') return
    if (state.get(file) === 'open') {
      fail(file, `imports itself by way of ${trail.slice(trail.indexOf(file) + 1).join(' > ')}`)
      return
    }
    state.set(file, 'open')
    for (const next of edges.get(file) ?? []) visit(next, [...trail, file])
    state.set(file, 'done')
  }
  for (const file of files) visit(file, [])
}

function checkDeadFiles(files: readonly string[], texts: ReadonlyMap<string, string>): void {
  const imported = new Set<string>(ENTRIES)
  for (const [file, text] of texts) {
    for (const [, path] of text.matchAll(/'(\.[^']+\.ts)'/g)) imported.add(normalize(join(dirname(file), path!)))
  }
  for (const file of files) if (!file.endsWith('.test.ts') && !imported.has(file)) fail(file, 'nothing imports it')
}

function checkPluginTests(): void {
  for (const file of globSync('src/plugins/*.ts')) {
    if (file.endsWith('.test.ts') || basename(file) === 'bundled.ts') continue
    if (!existsSync(file.replace(/\.ts$/, '.test.ts'))) fail(file, 'a plugin has a test beside it')
  }
}

const source = globSync('src/**/*.ts').sort()
const everything = [...source, ...globSync('{test,scripts,bench,fuzz}/**/*.ts').sort()]
const texts = new Map(everything.map(file => [file, readFileSync(file, 'utf8')]))
for (const file of everything) {
  const text = texts.get(file)!
  const lines = text.split('\n')
  checkShape(file, lines)
  if (file.startsWith('src/')) {
    checkImports(file, text)
    checkEffects(file, text)
    checkFunctions(file, lines)
  }
  const leftover = /\b(FIXME|XXX)\b|\bTODO\b|\b(?:test|it|describe)\.only\(|^\s*debugger$/m.exec(text)
  if (leftover !== null && file !== 'scripts/tidy.ts') fail(file, `leftover: ${leftover[0]}`)
}
checkCycles(source, texts)
checkDeadFiles(source, texts)
checkPluginTests()
for (const failure of failures) console.error(failure)
console.log(failures.length === 0 ? `tidy: ${everything.length} files in order` : `tidy: ${failures.length} faults`)
process.exitCode = failures.length === 0 ? 0 : 1
