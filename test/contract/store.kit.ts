/** What the store contracts share: opening, rows, a clock to set, and the comparison of refusals. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import type { Random } from '../../src/base/random.ts'
import { EMPTY_CONFIG_HASH, type Row } from '../../src/entities/config.ts'
import { rowDigest, toggleDigest } from '../../src/entities/config-digest.ts'
import type { CassandraOptions } from '../../src/store/cassandra/connection-options.ts'
import { StoreError, type StoreErrorKind } from '../../src/store/errors.ts'
import type { PostgresOptions } from '../../src/store/postgres/connection-options.ts'
import type { EntityStore } from '../../src/store/store.ts'

export interface StoreUnderTest {
  readonly store: EntityStore
  /** The same data through a connection of its own, as another process has it. */
  another(): Promise<EntityStore>
  /** Runs `count` processes that each try to insert the house `name`; how many succeeded. */
  race(name: string, count: number): Promise<number>
  close(): Promise<void>
}

export interface OpenOptions {
  readonly clock: Clock
  readonly changesKept?: number
}

export type OpenStore = (options: OpenOptions) => Promise<StoreUnderTest>

/** Printed in the name of each suite; set SEED to run one again. */
export const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31))

/** A clock that tests can set forward; timers run in real time. */
export function shiftableClock(): Clock & { shift(ms: number): void } {
  let shifted = 0
  return {
    ...systemClock,
    now: () => systemClock.now() + shifted,
    shift(ms) {
      shifted += ms
    },
  }
}
export async function refuses(
  attempt: Promise<unknown>,
  kind: StoreErrorKind,
  fields: object | undefined,
): Promise<void> {
  await assert.rejects(attempt, error => {
    assert.ok(error instanceof StoreError, String(error))
    assert.deepEqual({ kind: error.kind, fields: error.fields }, { kind, fields })
    return true
  })
}

export type RowBuilders = ReturnType<typeof rowBuilders>
export function rowBuilders(random: Random) {
  return {
    house: (given: Row = {}): Row => ({
      id: random.uuid(),
      name: `house-${random.uuid()}`,
      size: 5,
      price: 1.25,
      open: true,
      colours: ['red'],
      details: { roof: 'flat' },
      tags: null,
      ...given,
    }),
    room: (house: Row): Row => ({
      id: random.uuid(),
      name: `room-${random.uuid()}`,
      house: { id: house['id'] },
      tags: null,
    }),
    door: (given: Row): Row => ({ id: random.uuid(), kind: random.uuid(), house: null, room: null, ...given }),
  }
}

export async function exported(store: EntityStore): Promise<Map<string, Row>> {
  const copy = new Map<string, Row>()
  for await (const batch of (await store.export()).batches) {
    for (const { entity, key, row } of batch) copy.set(`${entity} ${key}`, row)
  }
  return copy
}

/** The hash of a configuration, computed anew from `entity key` → row. */
export function hashOf(rows: ReadonlyMap<string, Row>): string {
  let hash = EMPTY_CONFIG_HASH
  for (const [name, row] of rows) {
    const [entity, key] = name.split(' ') as [string, string]
    hash = toggleDigest(hash, rowDigest(entity, key, row))
  }
  return hash
}

/** The store that processes race in: a file, or a database. */
export interface RacePlace {
  readonly path?: string
  readonly postgres?: PostgresOptions
  readonly cassandra?: CassandraOptions
}

/** Processes that begin together, by a word on their standard input. */
export async function raceProcesses(place: RacePlace, name: string, count: number): Promise<number> {
  const script = new URL('./store.racer.ts', import.meta.url).pathname
  const racers = Array.from({ length: count }, () =>
    spawn(process.execPath, [script, JSON.stringify(place), name], { stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  await Promise.all(racers.map(({ stdout }) => once(stdout, 'data')))
  for (const { stdin } of racers) stdin.end('go')
  const codes = await Promise.all(racers.map(async racer => (await once(racer, 'exit'))[0]))
  assert.ok(
    codes.every(code => code === 0 || code === 3),
    `exit codes ${codes}`,
  )
  return codes.filter(code => code === 0).length
}
