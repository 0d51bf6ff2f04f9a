/**
 * The configuration that one worker runs: rows, compiled objects, and how a new version takes their place.
 *
 * Two steps, so that all workers of a node change together or not at all: `prepare…` validates and compiles beside
 * the running version and may refuse; `commit` swaps synchronously and cannot fail.
 */
import { constants } from 'node:crypto'
import type { SecureContext, SecureContextOptions } from 'node:tls'
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { EntityCatalog } from '../entities/catalog.ts'
import {
  type ConfigChange,
  type ConfigDelta,
  type ConfigHead,
  type ConfigRefusal,
  EMPTY_HEAD,
  type Row,
} from '../entities/config.ts'
import type { EntityReader } from '../entities/entity-reader.ts'
import type { PluginDefinition, PluginScope, PluginTools } from '../sdk/sdk.ts'
import type { VaultDefinition } from '../sdk/vault.ts'
import { PeerRegistry } from './balancer/peers.ts'
import type { CompiledRoute, PluginInstance, ResolvedPlan } from './compiled.ts'
import { closeInstance } from './compiled-plugins.ts'
import { createEntityReader } from './entity-index.ts'
import { noPeerHealth, type PeerHealth } from './health/peer-health.ts'
import type { ProxySettings } from './proxy-settings.ts'
import type { Router } from './router/router.ts'
import { checkAllReferences, type ValidateRow } from './running-config-checks.ts'
import { isSameRow, stageChanges, type StageContext } from './running-config-stage.ts'
import { ConfigState } from './running-config-state.ts'
import { finished, type Steps } from './steps.ts'
import type { StreamInput } from './router/stream-router.ts'
import { createResolver } from './upstream/dns.ts'
import type { Resolver } from './upstream/resolver.ts'

export type Preparation =
  | { readonly ok: true; readonly head: ConfigHead; commit(): void; discard(): void }
  | { readonly ok: false; readonly refusal: ConfigRefusal }

export interface SnapshotPreparation {
  add(changes: readonly ConfigChange[]): void
  /** Nothing else may be committed before its last step. */
  finish(): Steps<Preparation>
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
  readonly streamRouter: { match(input: StreamInput): CompiledRoute | null; readonly size: number }
  /** Global instances of the stream proxy, for sessions without a route. */
  streamGlobalPlan(): ResolvedPlan
  /** By SNI (proxy.md 10), or null for the listener's default. */
  secureContext(sni: string): SecureContext | null
  /** Certificates of two kinds stand under one name: which is shown must be decided before TLS begins. */
  readonly hasCertificatePairs: boolean
  /** Nothing else may be committed before its last step. */
  prepareDelta(delta: ConfigDelta): Steps<Preparation>
  prepareSnapshot(head: ConfigHead): SnapshotPreparation
  /** Ends instances and timers. */
  close(): Promise<void>
}

export interface RunningConfigOptions {
  readonly catalog: EntityCatalog
  /** Enabled plugins by name. */
  readonly plugins: ReadonlyMap<string, PluginDefinition>
  /** What one instance may use; made from its scope and row. */
  readonly tools: (scope: PluginScope, row: Row) => PluginTools
  readonly settings: Pick<ProxySettings, 'dns' | 'tls'>
  /** Default: name servers and hosts file of the settings. */
  readonly resolver?: Resolver
  /** A stored row against its definition and subschema. Default: the catalog's validation. */
  readonly validateRow?: ValidateRow
  /** Installed vaults by type, and where `env` looks. Default: none, so that references resolve to nothing. */
  readonly vaults?: ReadonlyMap<string, VaultDefinition>
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** What health checks say of peers. Default: every peer is available. */
  readonly health?: PeerHealth
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
}

export function createRunningConfig(options: RunningConfigOptions): RunningConfig {
  return new LiveConfig(options)
}

class LiveConfig implements RunningConfig {
  readonly reader: EntityReader
  readonly router: Router
  readonly streamRouter: RunningConfig['streamRouter']
  #head: ConfigHead = EMPTY_HEAD
  #hasConfiguration = false
  #state: ConfigState
  readonly #context: Omit<StageContext, 'checksReferences'>

  constructor(options: RunningConfigOptions) {
    const { catalog, clock, log, random, settings } = options
    const secureContextOptions = contextOptions(settings.tls)
    this.reader = createEntityReader(
      () => this.#state.tables,
      () => clock.now(),
    )
    this.router = this.#currentRouter()
    const state = () => this.#state
    this.streamRouter = {
      match: input => state().matchStream(input),
      get size() {
        return state().streamRouter.size
      },
    }
    this.#context = {
      ...options,
      secureContextOptions,
      vaults: options.vaults ?? new Map(),
      environment: options.environment ?? {},
      validateRow: options.validateRow ?? validateStored(catalog, { clock, random }),
      balancerTools: {
        resolver: options.resolver ?? createResolver({ settings: settings.dns, clock, log }),
        peers: new PeerRegistry(),
        clock,
        random,
        log,
        health: options.health ?? noPeerHealth,
      },
      reusable: (id, row) => {
        const instance = this.#state.instances.get(id)
        return instance !== undefined && isSameRow(instance.row, row) ? instance : null
      },
    }
    this.#state = new ConfigState(this.#context)
  }

  get head(): ConfigHead {
    return this.#head
  }

  get hasConfiguration(): boolean {
    return this.#hasConfiguration
  }

  get rewriters(): readonly PluginInstance[] {
    return this.#state.plugins.rewriters()
  }

  globalPlan(): ResolvedPlan {
    return this.#state.plugins.globalPlan()
  }

  streamGlobalPlan(): ResolvedPlan {
    return this.#state.streamPlugins.globalPlan()
  }

  get hasCertificatePairs(): boolean {
    return this.#state.certificates.hasPairs
  }

  secureContext(sni: string): SecureContext | null {
    return this.#state.secureContext(sni)
  }

  *prepareDelta(delta: ConfigDelta): Steps<Preparation> {
    if (delta.from !== this.#head.version)
      return refused(`delta begins at version ${delta.from}, but version ${this.#head.version} is running`)
    const base = this.#head
    const context = { ...this.#context, checksReferences: true }
    const staging = yield* stageChanges(this.#state, context, delta.changes, instances => this.#end(instances))
    if (!staging.ok) return staging
    const head = { version: delta.version, config_hash: delta.config_hash }
    return {
      ok: true,
      head,
      commit: () => {
        assert(this.#head === base, 'nothing is committed between preparing and committing a delta')
        this.#head = head
        this.#hasConfiguration = true
        this.#end(staging.staged.apply())
      },
      discard: () => this.#end(staging.staged.created),
    }
  }

  prepareSnapshot(head: ConfigHead): SnapshotPreparation {
    const base = this.#head
    const state = new ConfigState(this.#context)
    const created: PluginInstance[] = []
    let refusal: ConfigRefusal | null = null
    const refuse = (reason: ConfigRefusal): Preparation => {
      this.#end(created.splice(0))
      return { ok: false, refusal: reason }
    }
    const { catalog } = this.#context
    const finish = function* (this: LiveConfig): Steps<Preparation> {
      refusal ??= yield* checkAllReferences(state.tables, catalog)
      if (refusal !== null) return refuse(refusal)
      yield* state.warm(catalog, this.#state.tables)
      return {
        ok: true,
        head,
        commit: () => {
          assert(this.#head === base, 'nothing is committed between beginning and committing a snapshot')
          this.#replace(state, head)
        },
        discard: () => this.#end(created.splice(0)),
      }
    }
    return {
      add: changes => {
        if (refusal !== null) return
        const context = { ...this.#context, checksReferences: false }
        const staging = finished(stageChanges(state, context, changes, instances => this.#end(instances)))
        if (!staging.ok) {
          refusal = staging.refusal
          return
        }
        created.push(...staging.staged.created)
        // What a later batch replaces was never in use.
        for (const ended of staging.staged.apply()) {
          const at = created.indexOf(ended)
          if (at >= 0) this.#end(created.splice(at, 1))
        }
      },
      finish: finish.bind(this),
    }
  }

  async close(): Promise<void> {
    const instances = [...this.#state.instances.values()]
    await Promise.all(instances.map(instance => closeInstance(instance, this.#context.log)))
  }

  #replace(state: ConfigState, head: ConfigHead): void {
    const kept = new Set(state.instances.values())
    const ended = [...this.#state.instances.values()].filter(instance => !kept.has(instance))
    this.#state = state
    this.#head = head
    this.#hasConfiguration = true
    this.#end(ended)
  }

  /** Closing may wait for a plugin's last batch; nobody waits for that here. */
  #end(instances: readonly PluginInstance[]): void {
    for (const instance of instances) void closeInstance(instance, this.#context.log)
  }

  /** The same object for ever, whatever configuration runs. */
  #currentRouter(): Router {
    const state = () => this.#state
    return {
      match: input => state().match(input),
      add: route => state().router.add(route),
      remove: route => state().router.remove(route),
      get size() {
        return state().router.size
      },
    }
  }
}

function validateStored(
  catalog: EntityCatalog,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): ValidateRow {
  return (definition, row) =>
    catalog.validateRow(definition.name, row, {
      operation: 'stored',
      nowMs: clock.now(),
      uuid: () => random.uuid(),
      randomBytes: count => random.bytes(count),
    })
}

function contextOptions(tls: ProxySettings['tls']): SecureContextOptions {
  return {
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    sessionTimeout: tls.sessionTimeoutS,
    honorCipherOrder: tls.preferServerCiphers,
    ...(tls.ciphers === null ? {} : { ciphers: tls.ciphers }),
    ...(tls.sessionTickets ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
  }
}

function refused(message: string): Preparation {
  return { ok: false, refusal: { entity: '', key: '', field: null, message } }
}
