/** Allows or denies clients by their address. */
import { createAddressMatcher } from '../sdk/address-matcher.ts'
import { definePlugin, field, typedefs } from '../sdk/sdk.ts'
import type { Reply } from '../sdk/sdk.ts'

export default definePlugin({
  name: 'ip-restriction',
  priority: 990,
  protocols: typedefs.PROTOCOLS,
  protocols_default: ['http', 'https', 'tcp', 'tls', 'grpc', 'grpcs'],
  scopes: ['service', 'route', 'consumer'],
  docs: {
    summary: 'Allow or deny clients by IP address.',
    details:
      'An address in `deny` is refused; with `allow`, so is every address that is not in it. The address is that of ' +
      'the client after `trusted_ips` and `real_ip_header`.',
    example: { allow: ['10.0.0.0/8', '2001:db8::/32'], deny: ['10.0.0.66'] },
  },
  config: {
    allow: field.array(typedefs.ipOrCidr(), { description: 'Addresses and CIDR ranges that are let in.' }),
    deny: field.array(typedefs.ipOrCidr(), { description: 'Addresses and CIDR ranges that are refused.' }),
    status: field.number({ required: false, description: 'Status of a refusal; 403 if not set.' }),
    message: field.string({ required: false, description: 'Message of a refusal.' }),
  },
  entity_checks: [{ at_least_one_of: ['config.allow', 'config.deny'] }],

  prepare({ allow, deny, status, message }, tools) {
    const isDenied = deny?.length ? createAddressMatcher(deny) : () => false
    const isAllowed = allow?.length ? createAddressMatcher(allow) : () => true

    function refuse(code: number, text: string): Reply {
      tools.log.warn(`ip-restriction: ${text}`)
      return { status: code, body: { message: text }, negotiate: true }
    }

    function restrict(clientIp: string): Reply | undefined {
      const denied = isDenied(clientIp)
      const allowed = isAllowed(clientIp)
      if (denied === null || allowed === null) {
        return refuse(403, 'Cannot identify the client IP address, unix domain sockets are not supported.')
      }
      if (allowed && !denied) return
      return refuse(status ?? 403, message ?? `IP address not allowed: ${clientIp}`)
    }

    return {
      access: ({ request }) => restrict(request.clientIp),
      preread: ({ clientIp }) => restrict(clientIp),
    }
  },
})
