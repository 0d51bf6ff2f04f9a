/** The life of a node in this process: start, signals, end. The same for a background node and one in the foreground. */
import { writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { systemClock } from '../base/clock.ts'
import { createLogFiles, logFileOf, type LogFiles } from '../base/log-files.ts'
import { createLogger, type Logger } from '../base/logger.ts'
import type { Settings } from '../settings/definition.ts'
import type { LoadedSettings } from '../settings/load.ts'
import { transientTexts } from '../settings/saved-settings.ts'
import { CliError } from './command.ts'
import type { NodeHandle, StartNode } from './node-handle.ts'
import type { ReloadReport } from './node-messages.ts'
import { loadRunning } from './node-settings.ts'
import { type PrefixPaths, prefixPaths } from './prefix-folder.ts'
import { claimPrefix, releasePrefix } from './process-record.ts'
import { explainStartFailure } from './start-failure.ts'

export interface NodeProcessOptions {
  readonly loaded: LoadedSettings
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where a node in the foreground logs; null for one in the background, which has files. */
  readonly output: ((text: string) => void) | null
  /** Called once, when the node accepts connections. */
  readonly onReady: (handle: NodeHandle) => void
  /** A reason to give up that comes from outside, before or after the start. */
  readonly abandoned?: Promise<string>
}

/** nginx waits for ever for its last connection; an hour is for ever to a gateway, and still an end. */
const QUIT_TIMEOUT_MS = 3_600_000

/** Resolves to the exit code when the node has ended. Rejects when it did not start; then nothing of it is left. */
export async function runNode(options: NodeProcessOptions): Promise<number> {
  const { loaded, output } = options
  const paths = prefixPaths(loaded.settings.prefix)
  if (!claimPrefix(paths, process.pid)) throw new CliError(`Kong is already running in ${paths.prefix}`)
  const files = createLogFiles({
    prefix: paths.prefix,
    output,
    after: systemClock.after,
    onError: message => process.stderr.write(`${message}\n`),
  })
  const log = createLogger({
    level: loaded.settings.log_level,
    write: files.direct(logFileOf(loaded.settings.proxy_error_log) ?? '/dev/null'),
    now: systemClock.now,
  })
  try {
    return await live(options, paths, files, log)
  } finally {
    releasePrefix(paths, process.pid)
    files.close()
  }
}

async function live(options: NodeProcessOptions, paths: PrefixPaths, files: LogFiles, log: Logger): Promise<number> {
  const { loaded, env, abandoned } = options
  // A signal may come while the node is still starting; it counts as soon as there is something to end.
  const signals = listenToSignals()
  try {
    const handle = await startOrExplain({
      settings: loaded.settings,
      loaded,
      warnings: loaded.warnings,
      log,
      logTo: files.to,
    })
    for (const line of handle.describe()) log.notice(line)
    options.onReady(handle)
    abandoned?.then(
      reason => {
        log.warn(reason)
        return handle.stop()
      },
      () => {},
    )
    signals.take({
      stop: () => handle.stop(),
      quit: () => handle.quit(QUIT_TIMEOUT_MS),
      reload: createReloader(handle, log, () => loadRunning(paths, env, transientTexts(loaded)), paths),
      reopen() {
        files.reopen()
        handle.reopenLogs()
      },
      // nginx's words, by which log watchers know a signal.
      onSignal: name => log.notice(`signal ${constants.signals[name]} (${name}) received from outside`),
      onError: (name, error) => log.error(`${name} failed: ${error.message}`),
    })
    const { reason } = await handle.finished
    log.notice(`node ended: ${reason}`)
    return signals.wasAsked() ? 0 : 1
  } finally {
    signals.forget()
  }
}

async function startOrExplain(options: Parameters<StartNode>[0]): Promise<NodeHandle> {
  // Only the node itself loads the gateway: other commands stay quick.
  const { startNode } = (await import('../gateway.ts')) as { startNode: StartNode }
  try {
    return await startNode(options)
  } catch (error) {
    throw new CliError(explainStartFailure(error, options.settings), 1, error)
  }
}

interface SignalActions {
  stop(): Promise<void>
  quit(): Promise<void>
  reload(): Promise<void>
  reopen(): void
  onSignal(name: NodeJS.Signals): void
  onError(name: string, error: Error): void
}

interface Signals {
  take(actions: SignalActions): void
  wasAsked(): boolean
  forget(): void
}

function listenToSignals(): Signals {
  let actions: SignalActions | null = null
  const early: NodeJS.Signals[] = []
  let asked = false
  const act = (signal: NodeJS.Signals) => {
    if (actions === null) {
      early.push(signal)
      return
    }
    const { stop, quit, reload, reopen, onSignal, onError } = actions
    onSignal(signal)
    const run = (name: string, action: () => void | Promise<void>) => {
      Promise.resolve()
        .then(action)
        .catch((error: Error) => onError(name, error))
    }
    if (signal === 'SIGUSR1') return run('opening the logs anew', reopen)
    if (signal === 'SIGHUP') return run('reloading', reload)
    asked = true
    run('stopping', signal === 'SIGQUIT' ? quit : stop)
  }
  // Taking SIGUSR1 also keeps the runtime from opening its debugger to whoever may send signals.
  const names = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1'] as const
  for (const name of names) process.on(name, act)
  return {
    take(given) {
      actions = given
      for (const signal of early.splice(0)) act(signal)
    },
    wasAsked: () => asked,
    forget() {
      for (const name of names) process.removeListener(name, act)
    },
  }
}

/** One reload at a time; each leaves a report for the command that sent the signal. */
function createReloader(
  handle: NodeHandle,
  log: Logger,
  load: () => LoadedSettings,
  paths: PrefixPaths,
): () => Promise<void> {
  let count = 0
  let last = Promise.resolve()
  const reload = async () => {
    let error: string | null = null
    let settings: Settings | null = null
    try {
      const loaded = load()
      settings = loaded.settings
      await handle.reload(loaded)
      log.notice('settings reloaded')
    } catch (failure) {
      error = settings === null ? (failure as Error).message : explainStartFailure(failure, settings)
      log.error(`could not reload: ${error}`)
    }
    const report: ReloadReport = { count: ++count, error }
    writeFileSync(paths.reload, `${JSON.stringify(report)}\n`, { mode: 0o644 })
  }
  return () => (last = last.then(reload))
}
