/** Declarative files as text: YAML and JSON as they are, TypeScript and JavaScript as the JSON of what they export. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { describeFailure as describe, type FailedConfig } from '../declarative/parse.ts'

export type Evaluated =
  | { readonly ok: true; readonly text: string; readonly files: readonly string[] }
  | { readonly ok: false; readonly message: string; readonly place: string; readonly files: readonly string[] }

export interface DeclarativeText {
  readonly text: string
  /** Its ending tells what the text is. */
  readonly filename: string
  /** Files that it was made from; a change in one of them may change it. */
  readonly files: readonly string[]
}

/** What is wrong with a file in TypeScript, with its place; `files` as far as they are known. */
export class ConfigFileError extends Error {
  readonly files: readonly string[]
  constructor(message: string, files: readonly string[]) {
    super(message)
    this.files = files
  }
}

const PROGRAM = join(import.meta.dirname, `evaluate-config${extname(import.meta.filename)}`)
/** A configuration may ask a server for a part of itself, but a node must not wait for it for ever. */
const EVALUATE_MS_MAX = 30_000
/** Larger ones are no configuration; the parser would take all memory. */
const FILE_BYTES_MAX = 512 * 1024 * 1024

const MADE_OF_PROGRAM = '.as.json'
export const isProgram = (path: string): boolean => /\.[cm]?[jt]s$/.test(path)

/** Rejects with ConfigFileError, or with the error of the file system. */
export async function readDeclarativeFile(path: string): Promise<DeclarativeText> {
  if (statSync(path).size > FILE_BYTES_MAX)
    throw new ConfigFileError(`${path}: larger than ${FILE_BYTES_MAX} bytes`, [])
  if (!isProgram(path)) return { text: readFileSync(path, 'utf8'), filename: path, files: [path] }
  const result = await evaluateFile(path)
  const files = [...new Set([path, ...result.files])]
  if (!result.ok) throw new ConfigFileError(`${result.place}: ${result.message}`, files)
  return { text: result.text, filename: path + MADE_OF_PROGRAM, files }
}

/** Lines and columns are of the text, so of a program's output they would only mislead. */
export function describeFailure(name: string, failed: FailedConfig, filename: string): string {
  return describe(name, filename.endsWith(MADE_OF_PROGRAM) ? { ...failed, places: [] } : failed)
}

/** What the file prints goes to the error output: the output is the command's. */
async function evaluateFile(path: string): Promise<Evaluated> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, path], {
    cwd: dirname(path),
    stdio: ['ignore', process.stderr, process.stderr, 'ipc'],
  })
  let timedOut = false
  const timer = systemClock.after(EVALUATE_MS_MAX, () => {
    timedOut = true
    child.kill('SIGKILL')
  })
  let answer: Evaluated | null = null
  child.on('message', message => (answer = message as Evaluated))
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  timer.cancel()
  if (answer !== null) return answer
  const reason = timedOut
    ? `it did not end within ${EVALUATE_MS_MAX / 1000} seconds`
    : `it ended the process (${signal ?? `exit code ${code}`}) before it exported a configuration`
  return { ok: false, message: reason, place: path, files: [] }
}
