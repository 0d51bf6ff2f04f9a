/** Log lines in nginx's levels; where they go is decided once, by the process that owns the file. */

export const LOG_LEVELS = ['debug', 'info', 'notice', 'warn', 'error', 'crit', 'alert', 'emerg'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface Logger {
  debug(message: string, details?: object): void
  info(message: string, details?: object): void
  notice(message: string, details?: object): void
  warn(message: string, details?: object): void
  error(message: string, details?: object): void
  crit(message: string, details?: object): void
  /** Changes the threshold at run time (`PUT /debug/node/log-level`). */
  setLevel(level: LogLevel): void
  level(): LogLevel
}

export interface LoggerOptions {
  readonly level: LogLevel
  /** Receives one whole line, newline included. */
  readonly write: (line: string) => void
  readonly now: () => number
  /** Written into each line, so that the lines of several processes in one file can be told apart. */
  readonly pid?: number
}

export function createLogger({ level, write, now, pid = process.pid }: LoggerOptions): Logger {
  let threshold = LOG_LEVELS.indexOf(level)
  const at = (name: LogLevel, rank: number) => (message: string, details?: object) => {
    if (rank < threshold) return
    const suffix = details === undefined ? '' : ` ${JSON.stringify(details)}`
    write(`${timestamp(now())} [${name}] ${pid}#0: ${message}${suffix}\n`)
  }
  return {
    debug: at('debug', 0),
    info: at('info', 1),
    notice: at('notice', 2),
    warn: at('warn', 3),
    error: at('error', 4),
    crit: at('crit', 5),
    setLevel(next) {
      threshold = LOG_LEVELS.indexOf(next)
    },
    level: () => LOG_LEVELS[threshold]!,
  }
}

export const silentLogger: Logger = createLogger({ level: 'emerg', write: () => {}, now: () => 0 })

/** `YYYY/MM/DD HH:MM:SS`, local time, as nginx writes it. */
export function timestamp(ms: number): string {
  const d = new Date(ms)
  const two = (n: number) => String(n).padStart(2, '0')
  return `${d.getFullYear()}/${two(d.getMonth() + 1)}/${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`
}
