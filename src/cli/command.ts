/** What a command of `kong` is: its options, its help, and what it does. */
import type { Terminal } from './terminal.ts'

export interface OptionDefinition {
  /** `-c`. */
  readonly short?: string
  /** What the value is, in capitals; a flag without value has none. */
  readonly value?: string
  readonly description: string
  /** May be given several times; the values are then lines of one text. */
  readonly repeats?: boolean
  /** Whole number, at least this; checked before the command runs. */
  readonly numberFrom?: number
}

export interface Invocation {
  /** Of a command with sub-commands. */
  readonly subcommand: string | null
  readonly positionals: readonly string[]
  /** By long name; flags are `''`. */
  readonly options: Readonly<Record<string, string>>
}

export interface CommandContext {
  readonly terminal: Terminal
  readonly env: Readonly<Record<string, string | undefined>>
  /** Folder in which the command was given. */
  readonly folder: string
}

export interface Command {
  readonly name: string
  readonly description: string
  /** Names of positional arguments, `[optional]` in brackets. */
  readonly positionals?: readonly string[]
  readonly options: Readonly<Record<string, OptionDefinition>>
  /** Name with its arguments, and what it does. */
  readonly subcommands?: Readonly<Record<string, { readonly arguments?: string; readonly description: string }>>
  /** Resolves to the exit code. Rejects with CliError for what the user can mend. */
  run(invocation: Invocation, context: CommandContext): Promise<number>
}

/** An expected failure of a command: its text is all that the user gets to see. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: number
  constructor(message: string, exitCode = 1, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.exitCode = exitCode
  }
}

export const CONF_OPTION = { short: 'c', value: 'FILE', description: 'Configuration file.' } as const
export const PREFIX_OPTION = { short: 'p', value: 'FOLDER', description: 'Prefix of the node.' } as const
export const JSON_OPTION = { description: 'Print one JSON document, for scripts.' } as const

/** Taken by Kong for nginx, accepted so that scripts go on working. */
export const NGINX_OPTIONS = {
  'nginx-conf': { value: 'FILE', description: 'Accepted for compatibility; there is no nginx to configure.' },
  'nginx-conf-flags': { value: 'FLAGS', description: 'Accepted for compatibility; there is no nginx to configure.' },
} as const

export const DATABASE_OPTIONS = {
  'db-timeout': { value: 'SECONDS', description: 'Timeout of all database operations.', numberFrom: 0 },
  'lock-timeout': {
    value: 'SECONDS',
    description: 'How long to wait for another node that is changing the database (default 60).',
    numberFrom: 0,
  },
} as const
