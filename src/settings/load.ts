/** Settings of a node from defaults, kong.conf, the environment and the command line, checked as a whole. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { type PropertyName, properties, type Settings } from './definition.ts'
import { collectLayers, type Given, type Layers, SEARCHED_FILES } from './layers.ts'
import { parseValue } from './parse-value.ts'
import type { Property } from './property.ts'
import { dereference, type ReferenceContext } from './references.ts'
import { checkAdminAccess } from './rules/admin-access-rules.ts'
import { checkHybrid } from './rules/hybrid-rules.ts'
import { checkNetwork } from './rules/network-rules.ts'
import { checkNode } from './rules/node-rules.ts'
import { checkRanges } from './rules/range-rules.ts'
import type { Findings, Rule, RuleContext } from './rules/rule.ts'
import { type SettingsFiles, systemFiles } from './settings-files.ts'
import { describeSource, type Source } from './source.ts'

export interface LoadOptions {
  /** Must exist when given; without it the usual places are searched. */
  readonly file?: string | undefined
  /** Only these files are read, none searched for (`.kong_env` of a running node). */
  readonly searchedFiles?: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** `KONG_*` is not looked at, only references are resolved from `env`: for `.kong_env`, which has it all. */
  readonly ignoresEnvironment?: boolean
  /** Settings that count where nothing else sets a property, before its default: those of a running node. */
  readonly beneath?: LoadedSettings
  /** From the command line, by property. */
  readonly overrides?: Readonly<Record<string, string | undefined>>
  readonly files?: SettingsFiles
}

export interface LoadedSettings {
  readonly settings: Settings
  /** By property; what is not in here is a default. */
  readonly sources: ReadonlyMap<string, Source>
  /** By property, as written: references are kept, key material is as given. Only what was set by somebody. */
  readonly texts: ReadonlyMap<string, string>
  readonly warnings: readonly string[]
  /** The file that was read, if any. */
  readonly file: string | null
}

export type LoadOutcome =
  | ({ readonly ok: true } & LoadedSettings)
  | { readonly ok: false; readonly errors: readonly string[]; readonly warnings: readonly string[] }

const RULES: readonly Rule[] = [checkHybrid, checkNetwork, checkAdminAccess, checkRanges, checkNode]

export function loadSettings(options: LoadOptions): LoadOutcome {
  const { env, file, overrides = {}, searchedFiles = SEARCHED_FILES, files = systemFiles(process.cwd()) } = options
  if (file !== undefined && !files.exists(resolve(files.folder, file))) {
    return { ok: false, errors: [`no file at: ${file}`], warnings: [] }
  }
  const read = file ?? searchedFiles.find(path => files.exists(path)) ?? null
  const layers = collectLayers({
    file: read,
    env: options.ignoresEnvironment ? {} : env,
    overrides,
    files,
    beneath: options.beneath ?? null,
  })
  const { values, errors } = parseAll(layers, env, files)
  const settings = fillDefaults(values, layers, env, files)
  const findings: Findings = { errors: [...layers.errors, ...errors], warnings: [...layers.warnings] }
  const context = ruleContext(settings, layers, files)
  for (const rule of RULES) rule(context, findings)
  warnWithoutEffect(layers, findings)
  if (findings.errors.length > 0) return { ok: false, errors: findings.errors, warnings: findings.warnings }
  const given = [...layers.given, ...layers.dynamic]
  return {
    ok: true,
    settings,
    sources: new Map(given.map(([name, { source }]) => [name, source])),
    texts: new Map(given.map(([name, { text }]) => [name, text])),
    warnings: findings.warnings,
    file: read,
  }
}

const LIST_TYPES: readonly string[] = [
  'array',
  'listen',
  'endpoints',
  'port_maps',
  'certificates',
  'revocation_lists',
  'keys',
]

interface Parsed {
  readonly values: Record<string, unknown>
  readonly errors: string[]
}

function parseAll(layers: Layers, env: LoadOptions['env'], files: SettingsFiles): Parsed {
  const vaults = layers.given.get('vaults')?.text ?? 'bundled'
  const references: ReferenceContext = {
    env,
    prefix: layers.dynamic.get('vault_env_prefix')?.text ?? null,
    enabled: /\b(bundled|env)\b/.test(vaults),
  }
  const values: Record<string, unknown> = {}
  const errors: string[] = []
  for (const [name, property] of Object.entries(properties)) {
    if (property.alias_of !== undefined) continue
    const given = layers.given.get(name)
    const parsed = given === undefined ? null : parseGiven(name, property, given, references, files)
    if (parsed?.ok === false) errors.push(...parsed.errors)
    values[name] = parsed?.ok ? parsed.value : defaultValue(name, property, files)
  }
  const dynamic: Record<string, string> = {}
  for (const [name, { text }] of layers.dynamic) {
    const plain = dereference(name, text, false, references)
    if (plain.ok) dynamic[name] = plain.text
    else errors.push(...plain.errors)
  }
  values['dynamic'] = dynamic
  return { values, errors }
}

type GivenValue = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly errors: string[] }

function parseGiven(
  name: string,
  property: Property,
  given: Given,
  references: ReferenceContext,
  files: SettingsFiles,
): GivenValue {
  const plain = dereference(given.named, given.text, LIST_TYPES.includes(property.type), references)
  if (!plain.ok) return plain
  const text = plain.text.trim()
  if (text === '') return { ok: true, value: defaultValue(name, property, files) }
  // Messages name the property as it was written: `database` to whom wrote `database`.
  const parsed = parseValue(given.named, properties[given.named] ?? property, text, files)
  if (parsed.ok) return parsed
  const accepted = parsed.accepted === undefined ? '' : `; accepted: ${parsed.accepted}`
  return { ok: false, errors: [`${parsed.error}${accepted} (${describeSource(given.source)})`] }
}

/** The parsed default of a property; a test parses all of them. */
export function defaultValue(name: string, property: Property, files: SettingsFiles): unknown {
  if (property.default === null) return LIST_TYPES.includes(property.type) ? [] : null
  const parsed = parseValue(name, property, property.default, files)
  return parsed.ok ? parsed.value : null
}

/** Defaults that depend on other properties or on the machine, and properties that say the same thing. */
function fillDefaults(
  values: Record<string, unknown>,
  layers: Layers,
  env: LoadOptions['env'],
  files: SettingsFiles,
): Settings {
  const given = (name: PropertyName) => layers.given.has(name)
  if (!given('prefix')) values['prefix'] = defaultPrefix(env, files)
  values['prefix'] = resolve(files.folder, values['prefix'] as string)
  if (!given('storage') && values['role'] === 'proxy') values['storage'] = 'memory'
  // A control plane and a data plane with nothing else set run on one machine; the Admin API has `/status`, too.
  if (!given('status_listen') && values['role'] === 'admin') values['status_listen'] = []
  values['cluster_mtls'] ??= given('cluster_cert') ? 'shared' : 'enroll'
  values['foreground'] = values['foreground'] === true || values['nginx_daemon'] === false
  values['nginx_daemon'] = !values['foreground']
  for (const [name, property] of Object.entries(properties)) {
    if (property.alias_of !== undefined) values[name] = values[property.alias_of]
  }
  return values as unknown as Settings
}

/** Kong's own folder where that can be written, else the user's state folder. */
export function defaultPrefix(env: LoadOptions['env'], files: SettingsFiles): string {
  const kongs = properties['prefix']!.default!
  if (files.isWritableFolder(kongs)) return kongs
  const state = env['XDG_STATE_HOME']
  return join(state !== undefined && state.startsWith('/') ? state : join(homedir(), '.local', 'state'), 'silverback')
}

function ruleContext(settings: Settings, layers: Layers, files: SettingsFiles): RuleContext {
  return {
    settings,
    files,
    isGiven: name => layers.given.has(name),
    origin(name) {
      const given = layers.given.get(name)
      if (given === undefined) return ''
      const text = properties[name]?.sensitive || given.text.length > 200 ? '' : `${given.named} = ${given.text}, `
      return ` (${text}${describeSource(given.source)})`
    },
  }
}

function warnWithoutEffect(layers: Layers, { warnings }: Findings): void {
  for (const [name, { source, named, text }] of layers.given) {
    const reason = properties[name]?.without_effect
    if (reason !== undefined && !isHarmless(text, properties[name]!))
      warnings.push(`${named} has no effect: ${reason} (${describeSource(source)})`)
  }
}

/** Whoever switches off what is not here, or repeats the default, gets what they want. */
function isHarmless(text: string, property: Property): boolean {
  return text === 'off' || text === 'false' || text === property.default
}
