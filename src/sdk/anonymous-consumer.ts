/** The consumer that an authentication plugin's `anonymous` names, for requests that failed to authenticate. */
import type { Row } from '../entities/config.ts'
import type { EntityReader } from '../entities/entity-reader.ts'
import type { Reply } from './sdk.ts'

/** By id, else by username. */
export function findAnonymous(entities: EntityReader, anonymous: string): Row | null {
  return entities.find('consumers', anonymous) ?? entities.findBy('consumers', 'username', anonymous)
}

export function anonymousAnswer(anonymous: string): Reply {
  const message = `anonymous consumer ${anonymous} is configured but doesn't exist`
  return { status: 500, body: { message }, negotiate: true }
}
