/** Precedence, order and staleness of plugin plans. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/random.ts'
import type { PhaseHandlers } from '../sdk/sdk.ts'
import type { PluginInstance } from './compiled.ts'
import { PluginTable } from './plugin-plan.ts'

type Scope = Partial<Record<'route' | 'service' | 'consumer', string>>
let serial = 0

function instance(name: string, scope: Scope = {}, options: { priority?: number; handlers?: PhaseHandlers } = {}) {
  const id = `p${++serial}`
  const of = (key: keyof Scope) => scope[key] ?? null
  const full = { plugin_id: id, route_id: of('route'), service_id: of('service'), consumer_id: of('consumer') }
  return { name, priority: options.priority ?? 10, row: { id }, scope: full, handlers: options.handlers ?? {} }
}

function table(...instances: PluginInstance[]): PluginTable {
  const plugins = new PluginTable()
  for (const one of instances) plugins.add(one)
  return plugins
}

/** Kong's levels, most specific first. */
const LEVELS: readonly Scope[] = [
  { route: 'r', service: 's', consumer: 'c' },
  { route: 'r', consumer: 'c' },
  { service: 's', consumer: 'c' },
  { route: 'r', service: 's' },
  { consumer: 'c' },
  { route: 'r' },
  { service: 's' },
  {},
]

test('plan() chooses by the eight levels, whichever of them are there', () => {
  const random = seededRandom(5)
  for (let round = 0; round < 300; round++) {
    const present = LEVELS.map((scope, level) => ({ level, one: instance('x', scope) })).filter(
      () => random.next() < 0.5,
    )
    const shuffled = present.map(p => p.one).sort(() => random.next() - 0.5)
    const strangers = [instance('x', { route: 'other' }), instance('x', { consumer: 'other', route: 'r2' })]
    const plan = table(...shuffled, ...strangers).plan('r', 's')
    const best = present[0]?.one ?? null
    const anonymous = present.find(({ level }) => LEVELS[level]!.consumer === undefined)?.one ?? null
    assert.equal(plan.forConsumer('c').instances[0], best, JSON.stringify(present))
    assert.equal(plan.anonymous.instances[0], anonymous)
    assert.equal(plan.forConsumer('nobody'), plan.anonymous)
  }
})

test('plan() without service leaves the levels with a service out', () => {
  const global = instance('x')
  const plan = table(global, instance('x', { service: 's' })).plan('r', null)
  assert.deepEqual(plan.anonymous.instances, [global])
})

test('plan() orders by priority, equal ones by name descending, one position per name', () => {
  const all = [
    instance('b', {}, { priority: 1 }),
    instance('a', {}, { priority: 5 }),
    instance('c', {}, { priority: 5 }),
    instance('a', { route: 'r' }, { priority: 5 }),
  ]
  const plan = table(...all).plan('r', null)
  assert.deepEqual(
    plan.anonymous.instances.map(i => i!.row['id']),
    [all[2], all[3], all[0]].map(i => i!.row.id),
  )
})

test('plan() is the same for every consumer when no instance names one', () => {
  const plan = table(instance('x'), instance('y', { route: 'r' })).plan('r', null)
  assert.equal(plan.consumerIndependent, true)
  assert.equal(plan.forConsumer('c'), plan.anonymous)
})

test('forConsumer() has the positions of the anonymous plan, with null where nothing applies', () => {
  const forC = instance('x', { consumer: 'c' }, { priority: 11 })
  const everywhere = instance('y')
  const plan = table(forC, everywhere).plan('r', null)
  assert.equal(plan.consumerIndependent, false)
  assert.deepEqual(plan.anonymous.instances, [null, everywhere])
  assert.deepEqual(plan.forConsumer('c').instances, [forC, everywhere])
  assert.equal(plan.forConsumer('c'), plan.forConsumer('c'))
})

test('forConsumer() of a plan begun before a change finds the instance that took the place', () => {
  const before = instance('x', { consumer: 'c' })
  const plugins = table(before)
  const plan = plugins.plan('r', null)
  const after = instance('x', { consumer: 'c' })
  plugins.remove(before)
  plugins.add(after)
  assert.equal(plan.forConsumer('c').instances[0], after)
})

test('two instances may change scopes with each other in one delta', () => {
  const [a, b] = [instance('x', { consumer: 'c' }), instance('x', { route: 'r' })]
  const plugins = table(a, b)
  const [a2, b2] = [instance('x', { route: 'r' }), instance('x', { consumer: 'c' })]
  plugins.remove(a)
  plugins.add(a2)
  plugins.remove(b)
  plugins.add(b2)
  assert.equal(plugins.plan('r', null).anonymous.instances[0], a2)
  assert.equal(plugins.plan('r', null).forConsumer('c').instances[0], b2)
  plugins.remove(b2)
  assert.equal(plugins.plan('r', null).consumerIndependent, true)
})

test('globalPlan() and rewriters() hold instances without scope, and follow changes', () => {
  const rewriter = instance('x', {}, { handlers: { rewrite: () => undefined, log() {} } })
  const plugins = table(rewriter, instance('y', { route: 'r' }))
  assert.deepEqual(plugins.globalPlan().instances, [rewriter])
  assert.equal(plugins.globalPlan().hasLog, true)
  assert.equal(plugins.globalPlan().hasAccess, false)
  assert.deepEqual(plugins.rewriters(), [rewriter])
  plugins.remove(rewriter)
  assert.deepEqual(plugins.globalPlan().instances, [])
  assert.deepEqual(plugins.rewriters(), [])
})

test('epoch grows with each change, so that plans made before it are made anew', () => {
  const plugins = table()
  const { epoch } = plugins
  const one = instance('x')
  plugins.add(one)
  assert.ok(plugins.epoch > epoch)
  const between = plugins.epoch
  plugins.remove(one)
  assert.ok(plugins.epoch > between)
})
