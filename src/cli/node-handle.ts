/** What the command line needs of a running node; `gateway.ts` provides it. */
import type { Logger } from '../base/logger.ts'
import type { LoadedSettings } from '../settings/load.ts'
import type { Settings } from '../settings/definition.ts'

export interface StartOptions {
  readonly settings: Settings
  /** Where each setting came from, and its text: for the Admin API's `/`. */
  readonly loaded: LoadedSettings
  readonly warnings: readonly string[]
  readonly log: Logger
  /** Lines without newline into a file of the prefix, opened at first use and again when logs are rotated (SIGUSR1). */
  logTo(file: string): (line: string) => void
}

export interface WholeConfiguration {
  readonly rows: readonly { readonly entity: string; readonly row: Readonly<Record<string, unknown>> }[]
  /** 32 hex characters. */
  readonly hash: string
}

export interface NodeHandle {
  readonly role: Settings['role']
  readonly nodeId: string
  /** Lines for people, such as `proxy listening on 0.0.0.0:8000`. */
  describe(): readonly string[]
  /** Takes over what can be changed in a running node; rejects, and changes nothing, when it cannot. */
  reload(loaded: LoadedSettings): Promise<void>
  /** The whole configuration of a node without a database; rejects, and changes nothing, when it cannot be used. */
  replaceConfiguration(config: WholeConfiguration): Promise<void>
  /** The workers' log files, after they were moved away; those of `logTo` are reopened by their owner. */
  reopenLogs(): void
  /** Finishes requests in flight, for at most that long. */
  quit(timeoutMs: number): Promise<void>
  /** Closes everything at once. */
  stop(): Promise<void>
  /** Settles when the node has ended, by itself or because it was told to. */
  readonly finished: Promise<{ reason: string }>
}

export type StartNode = (options: StartOptions) => Promise<NodeHandle>
