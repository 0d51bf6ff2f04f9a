/** Reading the configuration that a node runs with; the only way the proxy and plugins see stored entities. */
import type { Row } from './config.ts'

export interface EntityReader {
  /** The row with this primary key, or null. Rows whose `ttl` has passed are not found. */
  find(entity: string, key: string): Row | null
  /** The row with this value in a unique field, or null. */
  findBy(entity: string, field: string, value: string): Row | null
  /** The rows whose foreign key `field` points to `key`, in no order. */
  findByForeign(entity: string, field: string, key: string): readonly Row[]
  /** All rows of an entity, in no order. */
  all(entity: string): Iterable<Row>
}
