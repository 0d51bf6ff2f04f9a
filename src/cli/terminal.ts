/** Where a command prints: results to the output, warnings and errors to the error output, in Kong's forms. */
import { timestamp } from '../base/logger.ts'

export interface Terminal {
  readonly verbosity: 'normal' | 'verbose' | 'debug'
  /** A result. With `--v` it carries time and level, like every line. */
  print(text: string): void
  /** A result that is never decorated, such as JSON. */
  printRaw(text: string): void
  warn(text: string): void
  error(text: string): void
  verbose(text: string): void
  debug(text: string): void
  /** The same terminal, with results left out. */
  quiet(): Terminal
}

export interface TerminalOptions {
  readonly verbosity: Terminal['verbosity']
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly now: () => number
}

export function createTerminal({ verbosity, out, err, now }: TerminalOptions): Terminal {
  const decorate = (level: string, text: string) => `${timestamp(now())} [${level}] ${text}\n`
  const isPlain = verbosity === 'normal'
  return {
    verbosity,
    print: text => out(isPlain ? `${text}\n` : decorate('info', text)),
    printRaw: text => out(`${text}\n`),
    warn: text => err(decorate('warn', text)),
    error: text => err(decorate('error', text)),
    verbose: text => isPlain || out(decorate('verbose', text)),
    debug: text => verbosity === 'debug' && out(decorate('debug', text)),
    quiet: () => createTerminal({ verbosity, out: () => {}, err, now }),
  }
}
