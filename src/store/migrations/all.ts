/** All steps, in order. */
import { store } from './0001-store.ts'
import { entities } from './0002-entities.ts'
import { routeExpressions } from './0003-route-expressions.ts'
import type { Migration } from './migration.ts'

export const MIGRATIONS: readonly Migration[] = [store, entities, routeExpressions]
