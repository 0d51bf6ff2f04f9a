/**
 * A delta in two halves: `stageChanges` makes everything that may fail beside the running state and touches nothing,
 * `StagedChanges.apply` puts it in place and cannot fail. The work of both follows the size of the change, not of
 * the configuration.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ConfigChange, ConfigRefusal, Row } from '../entities/config.ts'
import { UpstreamTargets } from './balancer/upstream-targets.ts'
import { certificateProblem } from './compiled-certificates.ts'
import {
  createInstance,
  dependsOnVaults,
  hasInstance,
  type InstanceSources,
  runsInHttp,
  runsInStream,
} from './compiled-plugins.ts'
import { isHttpRoute, type LiveRoute } from './compiled-route.ts'
import { compileService, isServiceEnabled, type NamedUpstream } from './compiled-service.ts'
import type { CompiledService, PluginInstance } from './compiled.ts'
import { ConfigOverlay } from './config-overlay.ts'
import { foreignKey } from './entity-index.ts'
import { checkReferences, checkRows, type ValidateRow } from './running-config-checks.ts'
import type { ConfigState, StateOptions } from './running-config-state.ts'
import type { PluginTable } from './plugin-plan.ts'
import { Secrets } from './secrets.ts'
import { COMPILED_SLICE_ROWS, inSlices, type Steps } from './steps.ts'
import type { BalancerTools } from './balancer/upstream-targets.ts'
import type { RouteEntries } from './router/route-entry.ts'
import type { StreamEntry } from './router/stream-router.ts'

export interface StageContext extends StateOptions, InstanceSources {
  readonly validateRow: ValidateRow
  readonly balancerTools: BalancerTools
  /** A live instance made from an equal row, which may go on under the new version. */
  readonly reusable: (id: string, row: Row) => PluginInstance | null
  /** False while a snapshot is still arriving: references are checked when it is whole. */
  readonly checksReferences: boolean
}

export type Staging =
  | { readonly ok: true; readonly staged: StagedChanges }
  | { readonly ok: false; readonly refusal: ConfigRefusal }

type StagedRoute = { readonly row: Row } & (
  | { readonly entries: RouteEntries }
  /** A route of the stream proxy. */
  | { readonly streamEntry: StreamEntry | null }
)

export class StagedChanges {
  readonly overlay: ConfigOverlay
  readonly #state: ConfigState
  readonly #context: StageContext
  readonly #secrets: Secrets
  readonly #upstreams = new Map<string, NamedUpstream | null>()
  readonly #upstreamNames = new Map<string, NamedUpstream | null>()
  readonly #staleTargets = new Set<string>()
  readonly #services = new Map<string, CompiledService | null>()
  readonly #routes = new Map<string, StagedRoute | null>()
  readonly #instances = new Map<string, PluginInstance | null>()
  /** Made for this change alone; ended when it is discarded. */
  readonly created: PluginInstance[] = []

  constructor(state: ConfigState, context: StageContext, changes: readonly ConfigChange[]) {
    this.#state = state
    this.#context = context
    this.overlay = new ConfigOverlay(state.tables, changes)
    this.#secrets = new Secrets(context, prefix => this.overlay.findBy('vaults', 'prefix', prefix))
  }

  *check(): Steps<ConfigRefusal | null> {
    const { catalog, checksReferences } = this.#context
    return (
      (yield* checkRows(this.overlay, this.#context)) ??
      (checksReferences ? yield* checkReferences(this.overlay, catalog) : null) ??
      (yield* this.#checkCertificates())
    )
  }

  *compile(): Steps<ConfigRefusal | null> {
    this.#stageUpstreams()
    yield* this.#stageServices()
    return (yield* this.#stageRoutes()) ?? (yield* this.#stagePlugins())
  }

  *#checkCertificates(): Steps<ConfigRefusal | null> {
    for (const [key, row] of this.overlay.changed('certificates')) {
      // Keys are parsed, which takes as long as fifty routes.
      yield
      const problem = row === null ? null : certificateProblem(row)
      if (problem !== null) return { entity: 'certificates', key, ...problem }
    }
    return null
  }

  #stageUpstreams(): void {
    const { overlay } = this
    for (const [id, row] of overlay.changed('upstreams')) {
      const before = this.#state.upstreamsById.get(id)
      if (before !== undefined) this.#upstreamNames.set(String(before.row['name']), null)
      const targets = before?.targets ?? new UpstreamTargets(this.#context.balancerTools)
      this.#upstreams.set(id, row === null ? null : { row, targets })
      this.#staleTargets.add(id)
    }
    // After all old names are out, so that two upstreams may change names with each other.
    for (const upstream of this.#upstreams.values())
      if (upstream !== null) this.#upstreamNames.set(String(upstream.row['name']), upstream)
    for (const [key, row] of overlay.changed('targets'))
      for (const version of [row, overlay.before('targets', key)])
        if (version !== null) this.#staleTargets.add(foreignKey(version, 'upstream') ?? '')
  }

  #upstreamByName(name: string): NamedUpstream | null {
    const staged = this.#upstreamNames.get(name)
    return staged === undefined ? (this.#state.upstreamsByName.get(name) ?? null) : staged
  }

  *#stageServices(): Steps<void> {
    const { overlay } = this
    const sources = {
      balancerTools: this.#context.balancerTools,
      find: (entity: string, key: string) => this.#withSecrets(entity, overlay.find(entity, key)),
      upstreamByName: (name: string) => this.#upstreamByName(name),
    }
    for (const id of inSlices(this.#affectedServices(), COMPILED_SLICE_ROWS)) {
      if (id === null) {
        yield
        continue
      }
      const row = overlay.find('services', id)
      this.#services.set(id, isServiceEnabled(row) ? compileService(row, sources) : null)
    }
  }

  #withSecrets(entity: string, row: Row | null): Row | null {
    return row && this.#secrets.inFields(this.#context.catalog.get(entity).fields, row)
  }

  #affectedServices(): Set<string> {
    const { overlay } = this
    const ids = new Set(overlay.changed('services').keys())
    if (overlay.changed('vaults').size > 0)
      for (const [id, row] of this.#state.tables.find('services')?.rows ?? [])
        if (['https', 'grpcs', 'tls'].includes(String(row['protocol']))) ids.add(id)
    const addUsersOf = (name: string) => {
      for (const id of this.#state.servicesByHost(name)) ids.add(id)
    }
    for (const name of this.#upstreamNames.keys()) addUsersOf(name)
    for (const certificateId of overlay.changed('certificates').keys()) {
      for (const row of overlay.findByForeign('services', 'client_certificate', certificateId))
        ids.add(String(row['id']))
      for (const row of overlay.findByForeign('upstreams', 'client_certificate', certificateId))
        addUsersOf(String(row['name']))
    }
    // Lists of ids are no foreign keys; authorities change too rarely to keep an index for them.
    const authorities = overlay.changed('ca_certificates')
    if (authorities.size > 0)
      for (const [id, row] of this.#state.tables.find('services')?.rows ?? [])
        if ((row['ca_certificates'] as readonly string[] | null)?.some(ca => authorities.has(ca))) ids.add(id)
    return ids
  }

  *#stageRoutes(): Steps<ConfigRefusal | null> {
    for (const entry of inSlices(this.overlay.changed('routes'), COMPILED_SLICE_ROWS)) {
      if (entry === null) {
        yield
        continue
      }
      const [key, row] = entry
      if (row === null) {
        this.#routes.set(key, null)
        continue
      }
      const isHttp = isHttpRoute(row)
      try {
        const { router, streamRouter } = this.#state
        if (isHttp) this.#routes.set(key, { row, entries: router.compile(row) })
        else this.#routes.set(key, { row, streamEntry: streamRouter.compile(row) })
      } catch (error) {
        const isByExpression = (row['expression'] ?? null) !== null
        const field = isByExpression ? 'expression' : isHttp ? 'paths' : null
        return { entity: 'routes', key, field, message: (error as Error).message }
      }
    }
    return null
  }

  *#stagePlugins(): Steps<ConfigRefusal | null> {
    for (const entry of inSlices(this.#affectedPlugins(), COMPILED_SLICE_ROWS)) {
      if (entry === null) {
        yield
        continue
      }
      const [id, row] = entry
      if (!hasInstance(row)) {
        this.#instances.set(id, null)
        continue
      }
      const reused = dependsOnVaults(row) ? null : this.#context.reusable(id, row)
      if (reused !== null) {
        this.#instances.set(id, reused)
        continue
      }
      const made = createInstance(row, { ...this.#context, secrets: this.#secrets })
      if ('refusal' in made) return made.refusal
      this.created.push(made.instance)
      this.#instances.set(id, made.instance)
    }
    return null
  }

  #affectedPlugins(): ReadonlyMap<string, Row | null> {
    const changed = this.overlay.changed('plugins')
    if (this.overlay.changed('vaults').size === 0) return changed
    const affected = new Map(changed)
    for (const [id, row] of this.#state.tables.find('plugins')?.rows ?? [])
      if (!changed.has(id) && dependsOnVaults(row)) affected.set(id, row)
    return affected
  }

  /** Returns the instances that are no longer in use. */
  apply(): PluginInstance[] {
    this.#applyCertificates()
    const serviceRowsBefore = new Map<string, Row | null>()
    for (const id of this.overlay.changed('services').keys())
      serviceRowsBefore.set(id, this.overlay.before('services', id))
    const routesBefore = [...this.#routes.keys()].map(id => this.#state.routes.get(id))
    this.overlay.apply()
    this.#applyUpstreams()
    const switched = this.#applyServices(serviceRowsBefore)
    this.#applyRoutes(routesBefore)
    for (const serviceId of switched) this.#switchRoutes(serviceId)
    for (const [id, row] of this.overlay.changed('services')) if (row === null) this.#state.dropSlot(id)
    return this.#applyPlugins()
  }

  #applyCertificates(): void {
    const { certificates } = this.#state
    for (const id of this.overlay.changed('certificates').keys()) certificates.forget(id)
    if (this.overlay.changed('vaults').size > 0) certificates.forgetAll()
    const snis = this.overlay.changed('snis')
    for (const key of snis.keys()) {
      const before = this.overlay.before('snis', key)
      if (before !== null) certificates.removeSni(before)
    }
    for (const row of snis.values()) if (row !== null) certificates.putSni(row)
  }

  #applyUpstreams(): void {
    const state = this.#state
    for (const [id, upstream] of this.#upstreams) {
      if (upstream === null) state.upstreamsById.delete(id)
      else state.upstreamsById.set(id, upstream)
    }
    for (const [name, upstream] of this.#upstreamNames) {
      if (upstream === null) state.upstreamsByName.delete(name)
      else state.upstreamsByName.set(name, upstream)
    }
    for (const id of this.#staleTargets) {
      const upstream = state.upstreamsById.get(id)
      upstream?.targets.update(upstream.row, state.tables.find('targets')?.findByForeign('upstream', id) ?? [])
    }
  }

  /** Returns the ids of services that were switched on or off, or came or went. */
  #applyServices(before: ReadonlyMap<string, Row | null>): string[] {
    const state = this.#state
    const switched: string[] = []
    for (const [id, service] of this.#services) {
      const slot = state.slot(id)
      if ((slot.current === null) !== (service === null)) switched.push(id)
      slot.current = service
      if (before.has(id)) state.indexServiceHost(id, before.get(id)!, this.overlay.find('services', id))
    }
    return switched
  }

  #applyRoutes(before: readonly (LiveRoute | undefined)[]): void {
    const { router, streamRouter, routes } = this.#state
    for (const route of before) {
      if (route === undefined) continue
      if (isHttpRoute(route.row)) router.remove(route)
      else streamRouter.remove(route)
      routes.delete(route.id)
    }
    for (const [id, staged] of this.#routes) {
      if (staged === null) continue
      const route = this.#state.compileRoute(staged.row)
      routes.set(id, route)
      if (!takesPart(route)) continue
      if ('entries' in staged) router.add(route, staged.entries)
      else streamRouter.add(route, staged.streamEntry)
    }
  }

  #switchRoutes(serviceId: string): void {
    const { router, streamRouter, routes, tables } = this.#state
    for (const row of tables.find('routes')?.findByForeign('service', serviceId) ?? []) {
      const before = routes.get(String(row['id']))
      // One that came with this very change stands where it should.
      if (before === undefined || this.#routes.has(before.id)) continue
      const route = this.#state.compileRoute(row)
      routes.set(route.id, route)
      if (isHttpRoute(row)) {
        router.remove(before)
        if (takesPart(route)) router.add(route)
      } else {
        streamRouter.remove(before)
        if (takesPart(route)) streamRouter.add(route)
      }
    }
  }

  #applyPlugins(): PluginInstance[] {
    const { instances } = this.#state
    const ended: PluginInstance[] = []
    for (const [id, instance] of this.#instances) {
      const before = instances.get(id)
      if (before === instance || (before === undefined && instance === null)) continue
      if (before !== undefined) {
        for (const plugins of this.#tablesOf(before)) plugins.remove(before)
        instances.delete(id)
        ended.push(before)
      }
      if (instance === null) continue
      instances.set(id, instance)
      for (const plugins of this.#tablesOf(instance)) plugins.add(instance)
    }
    return ended
  }

  #tablesOf({ row }: PluginInstance): PluginTable[] {
    const { plugins, streamPlugins } = this.#state
    return [...(runsInHttp(row) ? [plugins] : []), ...(runsInStream(row) ? [streamPlugins] : [])]
  }
}

function takesPart(route: LiveRoute): boolean {
  return route.slot === null || route.slot.current !== null
}

/** On refusal everything that was made is handed to `discard`. Nothing may be committed before the last step. */
export function* stageChanges(
  state: ConfigState,
  context: StageContext,
  changes: readonly ConfigChange[],
  discard: (instances: readonly PluginInstance[]) => void,
): Steps<Staging> {
  const staged = new StagedChanges(state, context, changes)
  const refusal = (yield* staged.check()) ?? (yield* staged.compile())
  if (refusal === null) return { ok: true, staged }
  discard(staged.created)
  return { ok: false, refusal }
}

export function isSameRow(a: Row, b: Row): boolean {
  return a === b || isDeepStrictEqual(a, b)
}
