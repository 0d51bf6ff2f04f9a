/**
 * Why a request goes to the route it goes to: all routes in the order in which they count, each with its conditions and
 * whether they hold. Slow and plain, for people; what it answers is what the router answers (test/contract/router.test.ts).
 */
import type { Row } from '../../entities/config.ts'
import { amendedSource, checkedExpression } from '../../entities/expressions/check.ts'
import type { Expression, Predicate } from '../../entities/expressions/syntax.ts'
import type { RouterFlavor } from '../../entities/routes.ts'
import { isHttpRoute } from '../compiled-route.ts'
import type { CompiledRoute } from '../compiled.ts'
import { compileExpression, Findings } from './expressions/compile.ts'
import { httpField } from './expressions/http-fields.ts'
import { IndexedRouter, routeEntries } from './indexed-router.ts'
import { compareEntries, NO_CONDITIONS, type RouteEntry } from './route-entry.ts'
import type { RouterInput } from './router.ts'
import { addressExpression } from './row-conditions.ts'

export interface ExplainedCondition {
  /** The route's field, or the comparison of an expression as it is written. */
  readonly name: string
  /** What the route asks for, as it is configured; '' for a comparison. */
  readonly wanted: string
  /** What the request has; '' for nothing. */
  readonly sent: string
  readonly holds: boolean
}

export interface ExplainedRoute {
  readonly route: Row
  /** 16 hexadecimal digits; the larger goes first. Comparable within one flavour. */
  readonly priority: string
  /** The paths of the route that have this priority; a route is listed once for each. Null: it has none. */
  readonly paths: readonly string[] | null
  readonly conditions: readonly ExplainedCondition[]
  /** All of them together: an expression may hold although some comparisons in it do not. */
  readonly holds: boolean
  readonly isChosen: boolean
}

export interface Explanation {
  readonly chosen: Row | null
  /** What `strip_path` would strip. */
  readonly matchedPath: string
  readonly uriCaptures: Readonly<Record<string, string>> | null
  /** First the one that counts most. The first that holds is the one chosen. */
  readonly routes: readonly ExplainedRoute[]
  /** Routes that do not compile, with the reason: the router would refuse the configuration. */
  readonly refused: readonly { readonly route: Row; readonly reason: string }[]
}

export interface ExplainOptions {
  readonly flavor: RouterFlavor
  /** Routes as stored; those of the stream proxy, and those of disabled services if left in, are the caller's matter. */
  readonly rows: Iterable<Row>
  readonly input: RouterInput
}

export function explainMatch({ flavor, rows, input }: ExplainOptions): Explanation {
  const refused: { route: Row; reason: string }[] = []
  const parts: { readonly row: Row; readonly entry: RouteEntry }[] = []
  for (const row of rows) {
    if (!isHttpRoute(row)) continue
    try {
      for (const entry of routeEntries(flavor, row)) parts.push({ row, entry })
    } catch (error) {
      refused.push({ route: row, reason: (error as Error).message })
    }
  }
  parts.sort((a, b) => compareEntries(b.entry, a.entry))
  const chosenAt = parts.findIndex(({ entry }) => holds(entry, input))
  const chosen = parts[chosenAt]
  const routes = parts.map(({ row, entry }, at) => ({
    route: row,
    priority: hexadecimal(entry.high) + hexadecimal(entry.low),
    paths: pathsOf(row, entry),
    conditions: conditionsOf(row, entry, { flavor, input }),
    holds: holds(entry, input),
    isChosen: at === chosenAt,
  }))
  const match = chosen === undefined ? null : matchAlone(chosen.entry, input)
  return {
    chosen: chosen?.row ?? null,
    matchedPath: match?.matchedPath ?? '',
    uriCaptures: match?.uriCaptures ?? null,
    routes,
    refused,
  }
}

const hexadecimal = (number: number) => number.toString(16).padStart(8, '0')

/** A router of one entry answers for it. */
function matchAlone(entry: RouteEntry, input: RouterInput) {
  const router = new IndexedRouter('traditional_compatible')
  router.add({ id: 'one', row: {} } as CompiledRoute, [{ ...entry }])
  return router.match(input)
}

function holds(entry: RouteEntry, input: RouterInput): boolean {
  return matchAlone(entry, input) !== null
}

function pathsOf(row: Row, entry: RouteEntry): readonly string[] | null {
  if (entry.isExpression || entry.paths === null) return null
  return ((row['paths'] ?? []) as readonly string[]).filter(path =>
    entry.paths!.some(({ text, regex }) => (regex === null ? path === text : path.startsWith('~'))),
  )
}

/** Each kind of condition, tried without the others. */
function conditionsOf(
  row: Row,
  entry: RouteEntry,
  { flavor, input }: { flavor: RouterFlavor; input: RouterInput },
): ExplainedCondition[] {
  const conditions: ExplainedCondition[] = []
  const add = (name: string, only: Partial<RouteEntry>, sent: string) => {
    const part = { ...entry, ...NO_CONDITIONS, ...only }
    conditions.push({ name, wanted: JSON.stringify(row[name]), sent, holds: holds(part, input) })
  }
  const { hosts, paths, methods, headers, snis, scheme } = entry
  if (flavor === 'expressions' && scheme !== null) add('protocols', { scheme }, input.scheme)
  if (entry.isExpression) return [...conditions, ...comparisons(String(row['expression']), input)]
  if (hosts !== null) add('hosts', { hosts }, `${input.host}:${input.port}`)
  if (paths !== null) add('paths', { paths }, input.path)
  if (methods !== null) add('methods', { methods }, input.method)
  if (headers !== null) add('headers', { headers }, sentHeaders(entry, input))
  if (snis !== null) add('snis', { snis }, input.sni)
  if (entry.test !== null) conditions.push(...addresses(row, input))
  return conditions
}

function sentHeaders(entry: RouteEntry, input: RouterInput): string {
  const names = entry.headers!.map(({ name }) => name)
  return names.map(name => `${name}: ${input.headerValues(name).join(', ')}`).join('; ')
}

function addresses(row: Row, input: RouterInput): ExplainedCondition[] {
  return (['sources', 'destinations'] as const).flatMap(name => {
    const expression = addressExpression({ [name]: row[name] })
    if (expression === null) return []
    const sent = name === 'sources' ? `${input.sourceIp}:${input.sourcePort}` : `${input.destinationIp}:${input.port}`
    const test = compileExpression(expression, httpField)
    return [{ name, wanted: JSON.stringify(row[name]), sent, holds: test(input, new Findings()) }]
  })
}

function comparisons(source: string, input: RouterInput): ExplainedCondition[] {
  const text = amendedSource(source)
  return predicatesOf(checkedExpression(source, 'http')).map(predicate => ({
    name: text.slice(predicate.at, predicate.end),
    wanted: '',
    sent: sentText(predicate, input),
    holds: compileExpression(predicate, httpField)(input, new Findings()),
  }))
}

function predicatesOf(expression: Expression): Predicate[] {
  if (expression.kind === 'predicate') return [expression]
  return expression.kind === 'not' ? predicatesOf(expression.part) : expression.parts.flatMap(predicatesOf)
}

function sentText({ field }: Predicate, input: RouterInput): string {
  const value = httpField(field).read(input)
  return Array.isArray(value) ? value.join(', ') : String(value ?? '')
}
