/** `/audit-log`: what was changed through the Admin API, newest first. */
import type { AdminOptions } from '../admin-options.ts'
import { collectionReply } from '../collection.ts'
import type { Endpoint } from '../endpoint.ts'
import { clusterPage, clusterPageOptions } from '../paging.ts'
import { message } from '../reply.ts'

export function auditLogEndpoints({ audit }: AdminOptions): Endpoint[] {
  return [
    {
      path: '/audit-log',
      methods: {
        async GET({ query, path }) {
          if (audit === null) return message(404, 'There is no audit log: it is kept when admin_audit_log is on')
          const { size, after } = clusterPageOptions(query)
          const rows = await audit.list({ size: size + 1, after })
          const next = rows.length > size ? rows[size - 1]!.id : null
          return collectionReply(clusterPage({ rows: rows.slice(0, size), next }), path, [
            ['size', query.first('size')],
          ])
        },
      },
    },
  ]
}
