/** `/tags`: which entities carry which tags. */
import { tagError } from '../../schema/name-formats.ts'
import { invalidUnique } from '../../store/violations.ts'
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
          const tag = request.params['tags']!
          const error = tagError(tag)
          if (error !== null) throw invalidUnique('tag', error)
          const page = await repository.pageTags({ tag, ...simplePageOptions(request) })
          return collectionReply(page, request.path)
        },
      },
    },
  ]
}
