/** `/tags`: which entities carry which tags. */
import type { AdminOptions } from '../admin-options.ts'
import { collectionReply, simplePageOptions } from '../collection.ts'
import type { Endpoint } from '../endpoint.ts'

export function tagEndpoints({ repository }: AdminOptions): Endpoint[] {
  return [
    {
      path: '/tags',
      methods: {
        async GET(request) {
          const page = await repository.pageTags(simplePageOptions(request))
          return collectionReply(page, '/tags', [['size', request.query.first('size')]])
        },
      },
    },
    {
      path: '/tags/{tags}',
      methods: {
        async GET(request) {
          const page = await repository.pageTags({ tag: request.params['tags']!, ...simplePageOptions(request) })
          return collectionReply(page, request.path)
        },
      },
    },
  ]
}
