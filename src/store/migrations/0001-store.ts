/** The store's own tables: version and hash, change log, tags, records of the cluster. */
import type { Migration } from './migration.ts'

export const store: Migration = {
  number: 1,
  name: 'store',
  statements: [
    `create table "config_state" (
      "id" smallint not null primary key,
      "version" bigint not null,
      "config_hash" text not null,
      "pruned_to" bigint not null,
      "shape" text not null
    )`,
    `create table "config_changes" (
      "sequence" bigint not null primary key,
      "version" bigint not null,
      "entity" text not null,
      "key" text not null
    )`,
    `create index "config_changes_version_idx" on "config_changes" ("version")`,
    `create table "entity_tags" (
      "tag" text not null,
      "entity_name" text not null,
      "entity_id" text not null,
      primary key ("tag", "entity_name", "entity_id")
    )`,
    `create index "entity_tags_entity_idx" on "entity_tags" ("entity_name", "entity_id")`,
    `create table "cluster_records" (
      "collection" text not null,
      "key" text not null,
      "value" text not null,
      "expires_at" double precision,
      primary key ("collection", "key")
    )`,
  ],
}
