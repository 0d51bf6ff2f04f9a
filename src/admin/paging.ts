/** Page options of the collections that are no entities of the store. */
import { encodeOffset, parseOffset, parseSize } from '../store/page-arguments.ts'
import type { RequestArguments } from './arguments.ts'
import type { ClusterPage, ClusterPageOptions } from '../entities/cluster-view.ts'
import { type CollectionPage, pageOption } from './collection.ts'

export function clusterPageOptions(query: RequestArguments): ClusterPageOptions {
  return {
    size: parseSize(pageOption(query, 'size')),
    after: parseOffset(pageOption(query, 'offset'), 1)?.[0] ?? null,
  }
}

export function clusterPage({ rows, next }: ClusterPage<unknown>): CollectionPage {
  return { data: rows, offset: next === null ? null : encodeOffset([next]) }
}
