/** The answer of `kong route test` for people. */
import { Naming } from '../declarative/naming.ts'
import type { ExplainedRoute, RouteExplanation, TestedRequest } from '../node/route-explanation.ts'
import type { RouteSource } from './route.ts'

/** Of the routes that are not taken so many are shown. */
const OTHERS_MAX = 10

export function* explanationText(
  { method, url, consumer }: TestedRequest,
  explained: RouteExplanation,
  { catalog, rows }: RouteSource,
): Generator<string> {
  const names = new Naming(catalog, rows)
  const { chosen, service, plugins, targets, routes, refused, redirect } = explained
  yield `${method} ${url.href}`
  if (chosen === null) yield 'route    none: the gateway answers 404'
  else {
    yield `route    ${names.label('routes', chosen).replace(/^route /, '')}  id ${String(chosen['id'])}`
    yield service === null
      ? 'service  none: the gateway answers 503, unless a plugin answers before'
      : `service  ${names.label('services', service).replace(/^service /, '')} -> ${explained.upstreamUrl}`
    for (const target of targets) yield `target   ${target}`
    if (redirect !== null) yield `protocol ${redirect}`
    const place = consumer === null ? 'for a request without consumer' : `for consumer ${consumer}`
    yield plugins.length === 0 ? `plugins  none ${place}` : `plugins  in this order, ${place}`
    for (const plugin of plugins) yield `         ${pluginText(names.label('plugins', plugin), plugin)}`
  }
  const captures = Object.entries(explained.uriCaptures ?? {}).filter(([name]) => name !== '0')
  if (captures.length > 0) yield `captures ${captures.map(([name, value]) => `${name}=${value}`).join(', ')}`
  yield 'why'
  yield* reasons(routes, names)
  for (const { route, reason } of refused) yield `  ! ${names.label('routes', route)} is not usable: ${reason}`
}

function pluginText(label: string, { instance_name, name }: Readonly<Record<string, unknown>>): string {
  const text = label.replace(/^plugin /, '')
  const scoped = text.includes(' (') ? text : `${text} (global)`
  return instance_name === null || instance_name === undefined ? scoped : `${String(name)}: ${scoped}`
}

/** The one that is taken with all before it; of those behind it only that they come later. */
function* reasons(routes: readonly ExplainedRoute[], names: Naming): Generator<string> {
  if (routes.length === 0) yield '  there are no routes'
  const taken = routes.findIndex(({ isChosen }) => isChosen)
  const before = taken < 0 ? nearest(routes) : routes.slice(Math.max(0, taken - OTHERS_MAX), taken)
  const skipped = (taken < 0 ? routes.length : taken) - before.length
  if (skipped > 0) yield `  ${skipped} routes ${taken < 0 ? 'fit less' : 'of higher priority do not fit either'}`
  for (const one of before) yield* lines('-', one, names)
  if (taken < 0) return
  yield* lines('*', routes[taken]!, names)
  const later = routes.slice(taken + 1).filter(({ holds }) => holds)
  for (const one of later.slice(0, OTHERS_MAX)) {
    yield `  - ${names.label('routes', one.route)} fits too, but has a lower priority`
  }
}

/** Where no route fits, those for which the fewest conditions fail are most likely the ones meant. */
function nearest(routes: readonly ExplainedRoute[]): readonly ExplainedRoute[] {
  const failed = ({ conditions }: ExplainedRoute) => conditions.filter(({ holds }) => !holds).length
  return [...routes].sort((a, b) => failed(a) - failed(b)).slice(0, OTHERS_MAX)
}

function* lines(mark: string, { route, conditions, isChosen }: ExplainedRoute, names: Naming): Generator<string> {
  yield `  ${mark} ${names.label('routes', route)}${isChosen ? ' fits, and has the highest priority of those that do' : ''}`
  if (conditions.length === 0) yield '      it has no conditions'
  for (const { name, wanted, sent, holds } of conditions) {
    yield `      ${holds ? 'yes' : 'no '} ${name}${wanted === '' ? '' : ` ${wanted}`}, the request has ${sent === '' ? 'nothing' : sent}`
  }
}
