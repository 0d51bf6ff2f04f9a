/** Which text each property has in the end, and where that came from: defaults < file < environment < arguments. */
import { resolve } from 'node:path'
import { type ConfFile, parseConfFile } from './conf-file.ts'
import { DYNAMIC_NAME, properties } from './definition.ts'
import { nearestName } from '../base/nearest-name.ts'
import type { SettingsFiles } from './settings-files.ts'
import { describeSource, type Source } from './source.ts'

export interface Given {
  readonly text: string
  readonly source: Source
  /** The property as it was named, where that is an alias. */
  readonly named: string
}

export interface Layers {
  /** By property; aliases are already under the name that they stand for. */
  readonly given: ReadonlyMap<string, Given>
  readonly dynamic: ReadonlyMap<string, Given>
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
}

export interface LayerInput {
  readonly beneath?: {
    readonly texts: ReadonlyMap<string, string>
    readonly sources: ReadonlyMap<string, Source>
  } | null
  readonly file: string | null
  readonly env: Readonly<Record<string, string | undefined>>
  readonly overrides: Readonly<Record<string, string | undefined>>
  readonly files: SettingsFiles
}

/** Kong's folders of old: searched when no file is named. */
export const SEARCHED_FILES = ['/etc/kong/kong.conf', '/etc/kong.conf']

export function collectLayers({ file, env, overrides, files, beneath }: LayerInput): Layers {
  const collected = new Collector(files)
  for (const [name, text] of beneath?.texts ?? []) collected.addBeneath(name, text, beneath?.sources.get(name))
  if (file !== null) collected.addFile(file)
  collected.addEnvironment(env)
  collected.addOverrides(overrides)
  return collected
}

class Collector implements Layers {
  readonly given = new Map<string, Given>()
  readonly dynamic = new Map<string, Given>()
  readonly errors: string[] = []
  readonly warnings: string[] = []
  readonly #files: SettingsFiles
  constructor(files: SettingsFiles) {
    this.#files = files
  }

  addBeneath(name: string, text: string, source: Source = { kind: 'default' }): void {
    this.#merge(new Map([[name, { text, source, named: name }]]))
  }

  addFile(path: string): void {
    let conf: ConfFile
    try {
      conf = parseConfFile(this.#files.read(resolve(this.#files.folder, path)))
    } catch (error) {
      this.errors.push(`could not load config file: ${path}: ${(error as Error).message}`)
      return
    }
    for (const line of conf.unreadable) this.errors.push(`${path}:${line} is not of form: <property> = <value>`)
    const layer = new Map<string, Given>()
    for (const { name, text, line } of conf.entries) {
      const source: Source = { kind: 'file', path, line }
      if (!this.#put(layer, name, text, source)) this.#warnUnknown(name, source)
    }
    this.#merge(layer)
  }

  addEnvironment(env: Readonly<Record<string, string | undefined>>): void {
    const layer = new Map<string, Given>()
    for (const [variable, text] of Object.entries(env)) {
      if (!variable.startsWith('KONG_') || text === undefined) continue
      const name = variable.slice('KONG_'.length).toLowerCase()
      const source: Source = { kind: 'environment', variable }
      if (!this.#put(layer, name, text, source)) this.#warnMistyped(name, variable)
    }
    this.#merge(layer)
  }

  addOverrides(overrides: Readonly<Record<string, string | undefined>>): void {
    const layer = new Map<string, Given>()
    for (const [name, text] of Object.entries(overrides)) {
      if (text !== undefined) this.#put(layer, name, text, { kind: 'argument', name: `--${name.replaceAll('_', '-')}` })
    }
    this.#merge(layer)
  }

  /** False when nothing has this name. */
  #put(layer: Map<string, Given>, name: string, text: string, source: Source): boolean {
    const property = properties[name]
    const referenced = property === undefined && name.endsWith('_file') ? name.slice(0, -'_file'.length) : null
    if (referenced !== null && properties[referenced] !== undefined) {
      const content = this.#readReferenced(name, text.trim(), source)
      if (content !== null) this.#set(layer, referenced, content, source, name)
      return true
    }
    if (property === undefined && !DYNAMIC_NAME.test(name)) return false
    this.#set(layer, name, text, source, name)
    return true
  }

  #set(layer: Map<string, Given>, name: string, text: string, source: Source, named: string): void {
    const value = text.trim()
    if (value === '') return // An empty value leaves the property unset, as in Kong.
    const property = properties[name]
    const target = property?.alias_of ?? name
    if (property?.deprecated && property.alias_of !== undefined) {
      this.warnings.push(
        `the '${name}' configuration property is deprecated, use '${property.alias_of}' instead (${describeSource(source)})`,
      )
    }
    const before = layer.get(target)
    if (before !== undefined && !sameValue(target, before.text, value)) {
      const both = `${before.named} (${describeSource(before.source)}) and ${named} (${describeSource(source)})`
      this.errors.push(`${both} set the same property to different values`)
      return
    }
    // Kong's own name stays visible in messages; of two equal ones the property itself wins over its alias.
    if (before === undefined || named === target) layer.set(target, { text: value, source, named })
  }

  #readReferenced(name: string, path: string, source: Source): string | null {
    if (path === '') return null
    try {
      return this.#files.read(resolve(this.#files.folder, path)).replace(/\r?\n$/, '')
    } catch (error) {
      this.errors.push(`${name}: could not read '${path}' (${(error as Error).message}), ${describeSource(source)}`)
      return null
    }
  }

  #merge(layer: ReadonlyMap<string, Given>): void {
    for (const [name, given] of layer) (properties[name] === undefined ? this.dynamic : this.given).set(name, given)
  }

  #warnUnknown(name: string, source: Source): void {
    const near = nearestName(name, Object.keys(properties))
    const hint = near === null ? '' : `; did you mean '${near}'?`
    this.warnings.push(`unknown property '${name}' in ${describeSource(source)} is ignored${hint}`)
  }

  /** The environment holds much that is not ours (`KONG_SERVICE_HOST` of an orchestrator): only near misses are told. */
  #warnMistyped(name: string, variable: string): void {
    const near = nearestName(name, Object.keys(properties), 2)
    if (near === null) return
    this.warnings.push(`environment variable ${variable} is ignored; did you mean KONG_${near.toUpperCase()}?`)
  }
}

function sameValue(name: string, a: string, b: string): boolean {
  const synonyms = properties[name]?.synonyms ?? {}
  return (synonyms[a] ?? a) === (synonyms[b] ?? b)
}
