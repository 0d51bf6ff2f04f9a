/**
 * The process in which a configuration in TypeScript runs: `evaluate-config.ts FILE`. It sends one message to its parent:
 * the configuration as JSON, or what is wrong and where. A process of its own, so that the file can be read again when
 * it has changed, and can neither stop nor change the gateway.
 */
import { registerHooks } from 'node:module'
import { extname, join } from 'node:path'
import { pathToFileURL, fileURLToPath } from 'node:url'
import type { Evaluated } from './typescript-config.ts'

const extension = extname(import.meta.filename)
const own = (path: string) => pathToFileURL(join(import.meta.dirname, `../${path}${extension}`)).href
/** The package, wherever the file is: it need not be installed beside it. */
const PACKAGE: Readonly<Record<string, string>> = {
  'silverback/config': own('configuration/define-config'),
  'silverback/client': own('client/admin-client'),
}

class ConfigError extends Error {}

async function evaluate(file: string): Promise<Evaluated> {
  const files = new Set<string>()
  registerHooks({
    resolve(specifier, context, next) {
      const url = Object.hasOwn(PACKAGE, specifier) ? PACKAGE[specifier] : undefined
      if (url !== undefined) return { url, shortCircuit: true }
      const resolved = next(specifier, context)
      if (resolved.url.startsWith('file:') && !resolved.url.includes('/node_modules/'))
        files.add(fileURLToPath(resolved.url))
      return resolved
    },
  })
  try {
    const module = (await import(pathToFileURL(file).href)) as { default?: unknown }
    if (module.default === undefined) {
      throw new ConfigError(`it has no default export; write \`export default defineConfig({ ... })\``)
    }
    const value = typeof module.default === 'function' ? await (module.default as () => unknown)() : module.default
    return { ok: true, text: toJson(value), files: [...files] }
  } catch (error) {
    return { ok: false, ...explain(error, file), files: [...files] }
  }
}

function toJson(value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const kind = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`
    throw new ConfigError(`its default export is ${kind}, not a configuration`)
  }
  checkPlain(value, '', new Set())
  return JSON.stringify({ _format_version: '3.0', ...value })
}

/** What JSON would drop or change without a word. */
function checkPlain(value: unknown, path: string, parents: Set<unknown>): void {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new ConfigError(`${path} is ${value}`)
  if (['function', 'symbol', 'bigint'].includes(typeof value)) throw new ConfigError(`${path} is a ${typeof value}`)
  if (typeof value !== 'object' || value === null) return
  if (parents.has(value)) throw new ConfigError(`${path} contains itself`)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) {
    throw new ConfigError(`${path} is a ${value.constructor.name}, not plain data`)
  }
  parents.add(value)
  for (const [key, member] of Object.entries(value)) {
    const name = Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`
    if (Array.isArray(value) && member === undefined) throw new ConfigError(`${name} is undefined`)
    checkPlain(member, name, parents)
  }
  parents.delete(value)
}

interface Fault {
  readonly message: string
  /** `kong.config.ts:3:5`, as far as it is known. */
  readonly place: string
}

/** Where it went wrong in the user's files; frames of the runtime and of ours say nothing to them. */
function explain(thrown: unknown, file: string): Fault {
  if (!(thrown instanceof Error)) return { message: `it threw ${String(thrown)}`, place: file }
  if (thrown instanceof ConfigError) return { message: thrown.message, place: file }
  const message =
    thrown.name === 'Error' || thrown instanceof SyntaxError ? thrown.message : `${thrown.name}: ${thrown.message}`
  const hint = 'code' in thrown && thrown.code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' ? UNSUPPORTED : ''
  return { message: message + hint, place: placeOf(thrown.stack ?? '') ?? file }
}

const UNSUPPORTED = '; types are taken out, not compiled: use an object or a union of texts instead of an enum'

function placeOf(stack: string): string | null {
  const lines = stack.split('\n')
  // Faults of syntax: the place, the lines around it, and a caret below the column.
  const head = /^(?:file:\/\/)?(\/.+):(\d+)$/.exec(lines[0] ?? '')
  if (head !== null) {
    const caret = lines.find(line => /^\s*\^+\s*$/.test(line))
    return `${head[1]}:${head[2]}${caret === undefined ? '' : `:${caret.indexOf('^') + 1}`}`
  }
  for (const line of lines) {
    const frame = /\(?file:\/\/(\/[^()]+):(\d+):(\d+)\)?$/.exec(line)
    if (frame !== null && frame[1] !== import.meta.filename) return `${decodeURI(frame[1]!)}:${frame[2]}:${frame[3]}`
  }
  return null
}

const result = await evaluate(process.argv[2]!)
process.send?.(result, () => process.exit(0))
