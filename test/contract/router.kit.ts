/** Requests and routes for the suites of the routers. */
import { seededRandom } from '../../src/base/random.ts'
import type { Row } from '../../src/entities/config.ts'
import type { CompiledRoute } from '../../src/proxy/compiled.ts'
import { routerInput } from '../kit/config-rows.ts'
import type { Router, RouterInput } from '../../src/proxy/router/router.ts'

type Lists = Readonly<Record<string, readonly string[]>>

export type Asked = Partial<RouterInput> & { readonly headers?: Lists; readonly queries?: Lists }

export function request({ headers = {}, queries = {}, ...input }: Asked): RouterInput {
  const headerValues = (name: string) => headers[name] ?? []
  const header = (name: string) => headerValues(name)[0]
  return routerInput({ header, headerValues, queryValues: name => queries[name] ?? [], ...input })
}

export const compiled = (row: Row) => ({ id: row['id'], row }) as unknown as CompiledRoute

export function answer(router: Router, input: RouterInput) {
  const match = router.match(input)
  return match && { id: match.route.id, matchedPath: match.matchedPath, uriCaptures: match.uriCaptures }
}

export const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

export interface Case {
  readonly name: string
  /** In this order they get the ids 1, 2, ... */
  readonly routes: readonly Row[]
  /** Number of the route that answers, 0 for none, and what it matched. */
  readonly requests: readonly (readonly [input: Asked, route: number, matchedPath?: string])[]
}

export function choosers(seed: number) {
  const random = seededRandom(seed)
  const below = (n: number) => Math.floor(random.next() * n)
  const one = <T>(list: readonly T[]) => list[below(list.length)]!
  const some = <T>(list: readonly T[], max: number) => Array.from({ length: 1 + below(max) }, () => one(list))
  const chance = (p: number) => random.next() < p
  return { random, below, one, some, chance }
}
