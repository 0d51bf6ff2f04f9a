/** What is allowed in a declarative configuration, but probably not meant. Each rule has a name, for people to look up. */
import { X509Certificate } from 'node:crypto'
import type { EntityCatalog } from '../entities/catalog.ts'
import type { Row } from '../entities/config.ts'
import { isVaultReference } from '../base/vault-reference.ts'
import type { Field, Fields } from '../schema/field.ts'
import { isObject } from '../schema/defaults.ts'
import { Naming } from './naming.ts'
import type { DeclarativeRow } from './parse.ts'

export interface Finding {
  readonly rule: string
  /** `route hello`. */
  readonly entity: string
  readonly message: string
}

export interface LintInput {
  readonly catalog: EntityCatalog
  readonly rows: readonly DeclarativeRow[]
  /** As the file has it: what was written, and what was left to defaults. */
  readonly document: Readonly<Record<string, unknown>>
  readonly nowMs: number
}

type Rule = (lint: Lint) => Iterable<Finding>

/** Everything that is found, in the order of the rules. */
export function lintConfiguration(input: LintInput): Finding[] {
  const lint = new Lint(input)
  return RULES.flatMap(rule => [...rule(lint)])
}

class Lint {
  readonly input: LintInput
  readonly names: Naming
  constructor(input: LintInput) {
    this.input = input
    this.names = new Naming(input.catalog, input.rows)
  }
  rows(entity: string): readonly Row[] {
    return this.input.rows.filter(row => row.entity === entity).map(({ row }) => row)
  }
  finding(rule: string, entity: string, row: Row, message: string): Finding {
    return { rule, entity: this.names.label(entity, row), message }
  }
}

const idOf = (value: unknown): string | null => (isObject(value) ? String(value['id']) : null)
const isEmpty = (value: unknown) => value === null || value === undefined || Object.keys(value as object).length === 0

const RULES: readonly Rule[] = [
  function* oldFormat({ input: { document } }) {
    const version = document['_format_version']
    if (version === '3.0') return
    const message = `is ${version}: the gateway upgrades it at each start; write 3.0, with ~ before regex paths`
    yield { rule: 'old-format', entity: '_format_version', message }
  },
  function* routeWithoutService(lint) {
    for (const row of lint.rows('routes')) {
      if (row['service'] !== null) continue
      const hasAnswer = lint.rows('plugins').some(plugin => {
        return (
          idOf(plugin['route']) === row['id'] || ['route', 'service', 'consumer'].every(name => plugin[name] === null)
        )
      })
      if (!hasAnswer) yield lint.finding('route-without-service', 'routes', row, 'has no service, so it answers 503')
    }
  },
  function* unusedService(lint) {
    const used = new Set(lint.rows('routes').map(row => idOf(row['service'])))
    for (const row of lint.rows('services')) {
      if (!used.has(row['id'] as string)) yield lint.finding('unused-service', 'services', row, 'has no route')
    }
  },
  function* emptyUpstream(lint) {
    const filled = new Set(lint.rows('targets').map(row => idOf(row['upstream'])))
    const hosts = new Set(lint.rows('services').map(row => row['host']))
    for (const row of lint.rows('upstreams')) {
      if (!filled.has(row['id'] as string)) {
        yield lint.finding('empty-upstream', 'upstreams', row, 'has no targets, so its services answer 503')
      }
      if (!hosts.has(row['name'])) {
        yield lint.finding('unused-upstream', 'upstreams', row, 'is the host of no service')
      }
    }
  },
  function* sameRoute(lint) {
    const seen = new Map<string, Row>()
    for (const row of lint.rows('routes')) {
      const conditions = MATCHED.map(name => (isEmpty(row[name]) ? null : row[name]))
      const key = JSON.stringify(conditions)
      const before = seen.get(key)
      if (before === undefined) seen.set(key, row)
      else {
        const message = `matches what ${lint.names.label('routes', before)} matches: only one of them gets requests`
        yield lint.finding('same-route', 'routes', row, message)
      }
    }
  },
  function* regexWithoutTilde(lint) {
    for (const row of lint.rows('routes')) {
      for (const path of (row['paths'] ?? []) as readonly string[]) {
        if (path.startsWith('~') || !/[()[\]*+?|^$\\]/.test(path)) continue
        const message = `path ${path} looks like a regular expression, but is taken as it is: write ~${path}`
        yield lint.finding('regex-without-tilde', 'routes', row, message)
      }
    }
  },
  function* certificates(lint) {
    for (const [entity, row] of [...pairs(lint, 'certificates'), ...pairs(lint, 'ca_certificates')]) {
      const end = Date.parse(readEnd(row['cert']) ?? '')
      if (Number.isNaN(end)) continue
      const days = Math.floor((end - lint.input.nowMs) / DAY_MS)
      if (days >= EXPIRES_DAYS) continue
      const when = days < 0 ? `expired ${-days} days ago` : `expires in ${days} days`
      yield lint.finding('certificate-expires', entity, row, when)
    }
  },
  function* plainSecrets(lint) {
    for (const { entity, row } of lint.input.rows) {
      if (entity === 'certificates') continue
      for (const path of secretsIn(fieldsOf(lint.input.catalog, entity, row), row, '')) {
        const message = `${path} is a secret in clear text; a {vault://...} reference keeps it out of the file`
        yield lint.finding('plain-secret', entity, row, message)
      }
    }
  },
]

/** What two routes must have in common for one of them to be in vain. */
const MATCHED = [
  'protocols',
  'hosts',
  'paths',
  'methods',
  'headers',
  'snis',
  'sources',
  'destinations',
  'expression',
].concat(['regex_priority', 'priority'])
const DAY_MS = 86_400_000
const EXPIRES_DAYS = 30

function pairs(lint: Lint, entity: string): (readonly [string, Row])[] {
  return lint.rows(entity).map(row => [entity, row] as const)
}

function readEnd(certificate: unknown): string | null {
  if (typeof certificate !== 'string' || isVaultReference(certificate)) return null
  return new X509Certificate(certificate).validTo
}

function fieldsOf(catalog: EntityCatalog, entity: string, row: Row): Fields {
  const { fields } = catalog.get(entity)
  const subschema = catalog.subschema(entity, row)
  return subschema !== null && 'fields' in subschema ? { ...fields, ...subschema.fields } : fields
}

/** Paths of secrets that stand there as they are. */
function* secretsIn(fields: Fields, row: Row, path: string): Generator<string> {
  for (const [name, field] of Object.entries(fields)) {
    const value = row[name]
    const own = path === '' ? name : `${path}.${name}`
    if (isSecret(field) && typeof value === 'string' && value !== '' && !isVaultReference(value)) yield own
    else if (field.type === 'record' && isObject(value)) yield* secretsIn(field.fields ?? {}, value, own)
  }
}

/** References can be put where they are read; elsewhere there is no other way than to write the secret. */
const isSecret = ({ encrypted, referenceable }: Field) => encrypted === true && referenceable === true
