/** One path of the Admin API with what its methods do. */
import type { Reply } from './reply.ts'
import type { RequestArguments } from './arguments.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface AdminRequest {
  readonly method: Method
  /** By name of the parameter, percent-decoded. */
  readonly params: Readonly<Record<string, string>>
  /** The path as sent, without the query and without a trailing slash: for `next` links. */
  readonly path: string
  readonly query: RequestArguments
  readonly body: RequestBody
}

/** What came in a POST, PUT or PATCH. */
export type RequestBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'json'; readonly value: Record<string, unknown>; readonly text: string }
  /** Names and values as sent; types follow from a schema (entity-input.ts). */
  | { readonly kind: 'form'; readonly pairs: readonly (readonly [name: string, value: string])[] }
  | { readonly kind: 'yaml'; readonly text: string }

export type Handler = (request: AdminRequest) => Reply | Promise<Reply>

export interface EndpointSubject {
  readonly entity: string
  readonly shape: 'collection' | 'entity'
  /** A foreign field that the path fills. */
  readonly parentField?: string
  /** The path names the entity by its endpoint key, so that a body need not. */
  readonly named?: boolean
}

export interface Endpoint {
  /** `/services/{services}/routes`. */
  readonly path: string
  readonly methods: Partial<Record<Method, Handler>>
  /** Takes `application/yaml` and `text/yaml` bodies. */
  readonly yaml?: boolean
  /** Its POST only asks, so the audit log leaves it out. */
  readonly changesNothing?: boolean
  /** Of paths that lead to entities: which, and how; `/openapi.json` is made from it. */
  readonly subject?: EndpointSubject
}
