/** The flat `redis_*` fields of older configurations, as input for the `redis` record. */
import type { ShorthandField } from '../schema/entity.ts'

const flatFields = [
  ['redis_host', 'host', { type: 'string' }],
  ['redis_port', 'port', { type: 'integer' }],
  ['redis_password', 'password', { type: 'string', len_min: 0 }],
  ['redis_username', 'username', { type: 'string' }],
  ['redis_ssl', 'ssl', { type: 'boolean' }],
  ['redis_ssl_verify', 'ssl_verify', { type: 'boolean' }],
  ['redis_server_name', 'server_name', { type: 'string' }],
  ['redis_timeout', 'timeout', { type: 'integer' }],
  ['redis_database', 'database', { type: 'integer' }],
] as const

/** Still shown on reads, next to the record. */
export function redisShorthands(plugin: string): ShorthandField[] {
  return flatFields.map(([name, member, field]) => {
    const path = ['redis', member]
    return {
      name,
      field: {
        ...field,
        deprecation: {
          replaced_with: [{ path }],
          message: `${plugin}: config.${name} is deprecated, please use config.redis.${member} instead`,
          removal_in_version: '4.0',
        },
      },
      expand: value => ({ redis: { [member]: value } }),
      replacedBy: { path },
    }
  })
}
