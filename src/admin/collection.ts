/** Pages: from query parameters to a page of rows, and to the link of the next one. */
import type { AdminRequest } from './endpoint.ts'
import type { RequestArguments } from './arguments.ts'
import { json, type Reply } from './reply.ts'

/** As the query has it; the repository checks the values. Several values of one name stay a list, which no option takes. */
export function pageOption(query: RequestArguments, name: string): unknown {
  const values = query.all(name)
  return values.length > 1 ? values : values[0]
}

export interface CollectionPage {
  readonly data: readonly unknown[]
  readonly offset: string | null
}

/** `extra` are the query parameters that the next link repeats, in this order. */
export function collectionReply(
  page: CollectionPage,
  path: string,
  extra: readonly (readonly [name: string, value: string | undefined])[] = [],
  members: Readonly<Record<string, unknown>> = {},
): Reply {
  if (page.offset === null) return json(200, { data: page.data, next: null, ...members })
  let next = `${path}?offset=${encodeURIComponent(page.offset)}`
  for (const [name, value] of extra) {
    if (value !== undefined) next += `&${name}=${encodeURIComponent(value)}`
  }
  return json(200, { data: page.data, offset: page.offset, next, ...members })
}

/** For collections that are not entities: `size` and `offset` are read here. */
export function simplePageOptions(request: AdminRequest): { size: unknown; offset: unknown } {
  return { size: pageOption(request.query, 'size'), offset: pageOption(request.query, 'offset') }
}
