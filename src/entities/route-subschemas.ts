/** What a route may and must hold, by its protocols. */
import * as field from '../schema/field.ts'
import type { Fields } from '../schema/field.ts'
import type { Subschema } from '../schema/validate.ts'
import { type RouterFlavor, routeFields } from './routes.ts'

/** Says that a field must be null for these protocols. */
const forbidden = <F extends field.Field>(f: F, name: string, protocols: string) =>
  field.extend(f, { eq: null, err: `cannot set '${name}' when 'protocols' is ${protocols}` })

interface Demand {
  readonly secure: string
  readonly plain: string
  readonly withSnis: readonly string[]
  readonly without: readonly string[]
}

/** At least one match field; server names count only where there is TLS. */
const demands = ({ secure, plain, withSnis, without }: Demand) => ({
  conditional_at_least_one_of: {
    if_field: 'protocols',
    if_match: { contains: secure },
    then_at_least_one_of: withSnis,
    then_err: `must set one of %s when 'protocols' is '${secure}'`,
    else_match: { contains: plain },
    else_then_at_least_one_of: without,
    else_then_err: `must set one of %s when 'protocols' is '${plain}'`,
  },
})

function httpSubschema(extra: readonly string[]): Subschema {
  const protocols = "'http' or 'https'"
  const others = ['methods', 'hosts', 'headers', 'paths']
  const withSnis = [...others, 'snis', ...extra]
  return {
    fields:
      extra.length > 0
        ? {}
        : {
            sources: forbidden(routeFields.sources, 'sources', protocols),
            destinations: forbidden(routeFields.destinations, 'destinations', protocols),
          },
    entity_checks: [demands({ secure: 'https', plain: 'http', withSnis, without: [...others, ...extra] })],
  }
}

function streamSubschema(extra: readonly string[]): Subschema {
  const protocols = "'tcp', 'tls', 'tls_passthrough' or 'udp'"
  const demand = (one_of: readonly string[], names: readonly string[], then_err: string) => ({
    conditional_at_least_one_of: {
      if_field: 'protocols',
      if_match: { elements: { type: 'string', one_of } },
      then_at_least_one_of: [...names, ...extra],
      then_err,
    },
  })
  return {
    fields: {
      methods: forbidden(routeFields.methods, 'methods', protocols),
      hosts: forbidden(routeFields.hosts, 'hosts', protocols),
      paths: forbidden(routeFields.paths, 'paths', protocols),
      headers: forbidden(routeFields.headers, 'headers', protocols),
    },
    entity_checks: [
      demand(
        ['tcp', 'tls', 'udp'],
        ['sources', 'destinations', 'snis'],
        "must set one of %s when 'protocols' is 'tcp', 'tls' or 'udp'",
      ),
      demand(['tls_passthrough'], ['snis'], "must set snis when 'protocols' is 'tls_passthrough'"),
    ],
  }
}

function grpcSubschema(extra: readonly string[]): Subschema {
  const protocols = "'grpc' or 'grpcs'"
  const others = ['hosts', 'headers', 'paths']
  const withSnis = [...others, 'snis', ...extra]
  const addresses: Fields =
    extra.length > 0
      ? {}
      : {
          sources: forbidden(routeFields.sources, 'sources', protocols),
          destinations: forbidden(routeFields.destinations, 'destinations', protocols),
        }
  return {
    fields: {
      strip_path: field.boolean({
        required: true,
        default: false,
        ne: true,
        err: "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'",
      }),
      methods: forbidden(routeFields.methods, 'methods', protocols),
      ...addresses,
    },
    entity_checks: [demands({ secure: 'grpcs', plain: 'grpc', withSnis, without: [...others, ...extra] })],
  }
}

/** By protocol; the first protocol of a route decides. */
export function routeSubschemas(flavor: RouterFlavor): ReadonlyMap<string, Subschema> {
  const extra = flavor === 'expressions' ? ['expression'] : []
  const http = httpSubschema(extra)
  const stream = streamSubschema(extra)
  const grpc = grpcSubschema(extra)
  return new Map([
    ['http', http],
    ['https', http],
    ['tcp', stream],
    ['tls', stream],
    ['udp', stream],
    ['tls_passthrough', stream],
    ['grpc', grpc],
    ['grpcs', grpc],
  ])
}
