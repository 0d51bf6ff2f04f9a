/**
 * The configuration that one worker runs: rows, compiled objects, and how a new version takes their place.
 *
 * Two steps, so that all workers of a node change together or not at all: `prepare…` validates and compiles beside
 * the running version and may refuse; `commit` swaps synchronously and cannot fail.
 */
import type { ConfigChange, ConfigDelta, ConfigHead, ConfigRefusal } from '../entities/config.ts'
import type { EntityReader } from '../entities/entity-reader.ts'
import type { PluginInstance, ResolvedPlan } from './compiled.ts'
import type { Router } from './router/router.ts'
import type { SecureContext } from 'node:tls'

export type Preparation =
  | { readonly ok: true; readonly head: ConfigHead; commit(): void; discard(): void }
  | { readonly ok: false; readonly refusal: ConfigRefusal }

export interface SnapshotPreparation {
  add(changes: readonly ConfigChange[]): void
  finish(): Preparation
}

export interface RunningConfig {
  /** EMPTY_HEAD until something was committed; then requests are answered by routes instead of by 503. */
  readonly head: ConfigHead
  readonly hasConfiguration: boolean
  readonly reader: EntityReader
  readonly router: Router
  /** Global instances: `rewrite` for every request, and header filters and logs of requests without a route. */
  globalPlan(): ResolvedPlan
  readonly rewriters: readonly PluginInstance[]
  /** By SNI (proxy.md 10), or null for the listener's default. */
  secureContext(sni: string): SecureContext | null
  prepareDelta(delta: ConfigDelta): Preparation
  prepareSnapshot(head: ConfigHead): SnapshotPreparation
  /** Ends instances and timers. */
  close(): Promise<void>
}
