/** The fields that routes have with `router_flavor = expressions`; the other flavours leave them alone. */
import type { Migration } from './migration.ts'

export const routeExpressions: Migration = {
  number: 3,
  name: 'route_expressions',
  statements: [
    `alter table "routes" add column "expression" text`,
    // A route made by another flavour has the priority that it would have got here.
    `alter table "routes" add column "priority" bigint default 0`,
  ],
}
