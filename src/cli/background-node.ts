/** Starting a node in the background: the command's side, which waits, and the node's side, which reports. */
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, extname, join, resolve } from 'node:path'
import { logFileOf } from '../base/log-files.ts'
import type { LoadedSettings } from '../settings/load.ts'
import { transientTexts } from '../settings/saved-settings.ts'
import { CliError, type CommandContext } from './command.ts'
import { NODE_COMMAND, type NodeMessage } from './node-messages.ts'
import { runNode } from './node-process.ts'
import { loadRunning } from './node-settings.ts'
import { prefixPaths } from './prefix-folder.ts'

export interface StartedNode {
  readonly pid: number
  /** What the node says of itself. */
  readonly lines: readonly string[]
}

/** Begins the variables with which settings that are not saved reach the node. */
const TRANSIENT = 'SILVERBACK_TRANSIENT_'
/** Beside this file, built or not. */
const MAIN = join(import.meta.dirname, `../main${extname(import.meta.filename)}`)

/** Resolves when the node accepts connections. Rejects with its own reason when it does not come to that. */
export function startInBackground(loaded: LoadedSettings, { env }: CommandContext): Promise<StartedNode> {
  const { settings } = loaded
  const transient = Object.entries(transientTexts(loaded)).map(([name, text]) => [TRANSIENT + name, text])
  const path = resolve(settings.prefix, logFileOf(settings.proxy_error_log) ?? '/dev/null')
  const log = openErrorLog(path)
  const child = spawn(process.execPath, [...process.execArgv, MAIN, NODE_COMMAND, '--prefix', settings.prefix], {
    cwd: settings.prefix,
    env: { ...env, ...Object.fromEntries(transient) },
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  })
  closeSync(log)
  return new Promise((resolve, reject) => {
    child.once('error', error => reject(new CliError(`could not start the node: ${error.message}`)))
    child.once('exit', (code, signal) => {
      reject(new CliError(`the node ended while starting (${signal ?? `code ${code}`}), see ${path}`))
    })
    child.once('message', (message: NodeMessage) => {
      if (message.kind === 'failed') {
        child.removeAllListeners('exit')
        // It has nothing left to do but to end; whoever sees the failure must not find it still there.
        child.once('exit', () => reject(new CliError(message.message)))
        return
      }
      child.removeAllListeners('exit')
      child.disconnect()
      child.unref()
      resolve({ pid: message.pid, lines: message.lines })
    })
  })
}

/** Removes what it takes, so that no child and no dump of the environment shows it. */
function takeTransient(): Record<string, string> {
  const taken: Record<string, string> = {}
  for (const [name, text = ''] of Object.entries(process.env)) {
    if (name.startsWith(TRANSIENT)) {
      taken[name.slice(TRANSIENT.length)] = text
      delete process.env[name]
    }
  }
  return taken
}

/** What the runtime itself says when it crashes belongs into the log, too. */
function openErrorLog(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true })
    return openSync(path, 'a', 0o644)
  } catch (error) {
    throw new CliError(`proxy_error_log: ${(error as Error).message}`)
  }
}

/** The other side: this process is the node. */
export async function runBackgroundNode(prefix: string, env: CommandContext['env']): Promise<number> {
  const send = (message: NodeMessage) =>
    new Promise<void>(resolve => {
      // An error means that nobody waits any more.
      if (process.send === undefined || !process.connected) resolve()
      else process.send(message, () => resolve())
    })
  let isReady = false
  const abandoned = new Promise<string>(resolve => {
    // Interrupting `kong start` must not leave a node behind that nobody knows of.
    process.once('disconnect', () => isReady || resolve('the command that started this node is gone'))
  })
  try {
    return await runNode({
      loaded: loadRunning(prefixPaths(prefix), env, takeTransient()),
      env,
      output: null,
      abandoned,
      onReady(handle) {
        isReady = true
        void send({ kind: 'ready', pid: process.pid, lines: handle.describe() })
      },
    })
  } catch (error) {
    const { message, stack } = error as Error
    await send({ kind: 'failed', message, stack: stack ?? null })
    // Nobody else would ever see it.
    if (!process.connected) process.stderr.write(`${stack}\n`)
    return 1
  }
}
