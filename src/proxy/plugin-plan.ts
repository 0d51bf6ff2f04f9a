/**
 * Which plugin instances run for a request, by Kong's precedence: of each plugin name the most specific instance.
 *
 * Everything that does not depend on the consumer is decided once per route, and again only after a change of
 * plugins; what does depend on it is decided once per consumer.
 */
import type { PluginInstance, PluginPlan, ResolvedPlan } from './compiled.ts'

/** Instances of one plugin name by the scope they have. */
interface PluginPosition {
  readonly name: string
  readonly priority: number
  readonly instances: Map<string, PluginInstance>
  /** How many of them name a consumer; with none, the position is the same for everybody. */
  consumerCount: number
}

// Plans hold one entry for each consumer that has plugins of its own, which are few; a bound all the same.
const CONSUMERS_PER_PLAN_MAX = 512

/** All instances of a configuration. A change makes the plans that it concerns stale. */
export class PluginTable {
  readonly #positions = new Map<string, PluginPosition>()
  /** Higher priority first; equal ones by name, descending, as in Kong 3.x. */
  #order: PluginPosition[] = []
  readonly #instancesByConsumer = new Map<string, number>()
  #global: ResolvedPlan | null = null
  #rewriters: readonly PluginInstance[] | null = null
  /** Grows with each change; a plan of an older epoch is made anew. */
  epoch = 0

  add(instance: PluginInstance): void {
    let position = this.#positions.get(instance.name)
    if (position === undefined) {
      position = { name: instance.name, priority: instance.priority, instances: new Map(), consumerCount: 0 }
      this.#positions.set(instance.name, position)
    }
    if (position.instances.size === 0) this.#order = [...this.#order, position].sort(byPriority)
    const before = position.instances.get(scopeKey(instance.scope))
    if (before !== undefined) this.#changed(position, before, -1)
    position.instances.set(scopeKey(instance.scope), instance)
    this.#changed(position, instance, 1)
  }

  remove(instance: PluginInstance): void {
    const position = this.#positions.get(instance.name)
    // Another instance may already have taken the scope, when two rows changed places in one delta.
    if (position?.instances.get(scopeKey(instance.scope)) !== instance) return
    position.instances.delete(scopeKey(instance.scope))
    this.#changed(position, instance, -1)
    // The position itself stays in `#positions`: a request that began with it may yet ask for its consumer's plan, and
    // must find the instance that is put in place of this one.
    if (position.instances.size === 0) this.#order = this.#order.filter(other => other !== position)
  }

  #changed(position: PluginPosition, instance: PluginInstance, change: 1 | -1): void {
    this.epoch++
    this.#global = null
    this.#rewriters = null
    const consumer = instance.scope.consumer_id
    if (consumer === null) return
    position.consumerCount += change
    const count = (this.#instancesByConsumer.get(consumer) ?? 0) + change
    if (count === 0) this.#instancesByConsumer.delete(consumer)
    else this.#instancesByConsumer.set(consumer, count)
  }

  /** The instances without any scope. */
  globalPlan(): ResolvedPlan {
    return (this.#global ??= resolved(
      this.#order.map(position => position.instances.get(GLOBAL)).filter(instance => instance !== undefined),
    ))
  }

  /** Global instances with a `rewrite` phase. */
  rewriters(): readonly PluginInstance[] {
    return (this.#rewriters ??= this.globalPlan().instances.filter(
      (instance): instance is PluginInstance => instance?.handlers.rewrite !== undefined,
    ))
  }

  plan(routeId: string, serviceId: string | null): PluginPlan {
    const positions: PluginPosition[] = []
    const anonymous: (PluginInstance | null)[] = []
    let consumerIndependent = true
    for (const position of this.#order) {
      const instance = lookUp(position, routeId, serviceId, null)
      if (instance === null && position.consumerCount === 0) continue
      if (position.consumerCount > 0) consumerIndependent = false
      positions.push(position)
      anonymous.push(instance)
    }
    // Thousands of routes have no plugin at all.
    if (positions.length === 0) return NO_PLUGINS
    const plan = resolved(anonymous)
    if (consumerIndependent) return { consumerIndependent, anonymous: plan, forConsumer: () => plan }
    return {
      consumerIndependent,
      anonymous: plan,
      forConsumer: this.#consumerPlans(positions, plan, routeId, serviceId),
    }
  }

  #consumerPlans(
    positions: readonly PluginPosition[],
    anonymous: ResolvedPlan,
    routeId: string,
    serviceId: string | null,
  ): (consumerId: string) => ResolvedPlan {
    const plans = new Map<string, ResolvedPlan>()
    return consumerId => {
      const known = plans.get(consumerId)
      if (known !== undefined) return known
      if (!this.#instancesByConsumer.has(consumerId)) return anonymous
      const plan = resolved(
        positions.map(position =>
          position.consumerCount === 0
            ? lookUp(position, routeId, serviceId, null)
            : lookUp(position, routeId, serviceId, consumerId),
        ),
      )
      // Oldest out: a Map keeps the order of insertion.
      if (plans.size >= CONSUMERS_PER_PLAN_MAX) plans.delete(plans.keys().next().value!)
      plans.set(consumerId, plan)
      return plan
    }
  }
}

function byPriority(a: PluginPosition, b: PluginPosition): number {
  return b.priority - a.priority || (a.name < b.name ? 1 : -1)
}

const GLOBAL = '::'

function scopeKey(scope: {
  readonly route_id: string | null
  readonly service_id: string | null
  readonly consumer_id: string | null
}): string {
  return `${scope.route_id ?? ''}:${scope.service_id ?? ''}:${scope.consumer_id ?? ''}`
}

/** Kong's eight levels, most specific first. */
function lookUp(
  { instances }: PluginPosition,
  route: string,
  service: string | null,
  consumer: string | null,
): PluginInstance | null {
  let found: PluginInstance | undefined
  if (consumer !== null) {
    if (service !== null) found = instances.get(`${route}:${service}:${consumer}`)
    found ??= instances.get(`${route}::${consumer}`)
    if (service !== null) found ??= instances.get(`:${service}:${consumer}`)
  }
  if (service !== null) found ??= instances.get(`${route}:${service}:`)
  if (consumer !== null) found ??= instances.get(`::${consumer}`)
  found ??= instances.get(`${route}::`)
  if (service !== null) found ??= instances.get(`:${service}:`)
  return found ?? instances.get(GLOBAL) ?? null
}

function resolved(instances: readonly (PluginInstance | null)[]): ResolvedPlan {
  return {
    instances,
    hasAccess: instances.some(instance => instance?.handlers.access !== undefined),
    hasHeaderFilter: instances.some(instance => instance?.handlers.headerFilter !== undefined),
    hasLog: instances.some(instance => instance?.handlers.log !== undefined),
  }
}

const EMPTY_PLAN = resolved([])
const NO_PLUGINS: PluginPlan = { consumerIndependent: true, anonymous: EMPTY_PLAN, forConsumer: () => EMPTY_PLAN }
