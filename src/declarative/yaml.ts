/**
 * YAML as Kong reads and writes it.
 *
 * Plain scalars follow YAML 1.1 the way libyaml's Lua binding does it (`yes`, `0777`, `190:20:30`, but `y` is text),
 * which no ready-made schema of the parser matches; so the parser only finds structure and scalars are resolved here.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  stringify,
  type Document,
  type Node,
} from 'yaml'
import { setMember } from '../schema/defaults.ts'
import { readPlainYaml } from './plain-yaml.ts'
import { resolvePlain } from './yaml-scalars.ts'

/** Aliases can make a small file mean a huge value: so many nodes may come from them, enough for any real file. */
const ALIASED_NODES_MAX = 1_000_000
const DEPTH_MAX = 200
/** Told at once; the first wrong indent can make each line after it an error. */
const ERRORS_MAX = 10

export class YamlError extends Error {}

/** The first document of the text. Throws YamlError with `line:column: reason` of each error. */
export function parseYaml(text: string): unknown {
  const plain = readPlainYaml(text)
  return plain === null ? parseAnyYaml(text) : plain.value
}

/** By the whole grammar, which costs ten times the time and memory. */
export function parseAnyYaml(text: string): unknown {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, {
    schema: 'failsafe',
    version: '1.1',
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter: lines,
    keepSourceTokens: false,
  })
  const first = Array.isArray(documents) ? documents[0] : undefined
  if (first === undefined) return null
  if (first.errors.length > 0) {
    const texts = first.errors.slice(0, ERRORS_MAX).map(({ pos, message }) => {
      const { line, col } = lines.linePos(pos[0])
      return `${line}:${col}: ${message}`
    })
    throw new YamlError(texts.join('; '))
  }
  const reader = new Reader(first as Document)
  return first.contents === null ? null : reader.read(first.contents as Node, 0)
}

class Reader {
  private readonly document: Document
  private readonly sizes = new Map<Node, number>()
  private readonly values = new Map<Node, unknown>()
  private count = 0
  private aliased = 0

  constructor(document: Document) {
    this.document = document
  }

  read(node: unknown, depth: number): unknown {
    if (depth > DEPTH_MAX) throw new YamlError('nested too deeply')
    this.count++
    if (isScalar(node)) return this.keep(node, 1, readScalar(node))
    const before = this.count
    if (isSeq(node)) {
      const list = node.items.map(item => this.read(item, depth + 1))
      return this.keep(node, this.count - before + 1, list)
    }
    if (isMap(node)) {
      const record: Record<string, unknown> = {}
      for (const { key, value } of node.items) {
        const name = isScalar(key) && key.type === 'PLAIN' ? String(key.value) : textOfKey(this.read(key, depth + 1))
        const read = value === null ? null : this.read(value, depth + 1)
        if (name === '<<') mergeInto(record, read)
        else setMember(record, name, read)
      }
      return this.keep(node, this.count - before + 1, record)
    }
    if (isAlias(node)) return this.readAlias(node.resolve(this.document) as Node | undefined)
    return null
  }

  private keep(node: Node, size: number, value: unknown): unknown {
    if ((node as { anchor?: string }).anchor !== undefined) {
      this.sizes.set(node, size)
      this.values.set(node, value)
    }
    return value
  }

  private readAlias(target: Node | undefined): unknown {
    if (target === undefined || !this.values.has(target)) throw new YamlError('invalid reference')
    const size = this.sizes.get(target)!
    this.count += size
    this.aliased += size
    if (this.aliased > ALIASED_NODES_MAX) throw new YamlError('aliases expand to too many nodes')
    return structuredClone(this.values.get(target))
  }
}

function textOfKey(key: unknown): string {
  if (typeof key === 'object' && key !== null) throw new YamlError('keys must be scalars')
  return String(key)
}

/** Members that are there already win, as in the binding. */
function mergeInto(record: Record<string, unknown>, merged: unknown): void {
  for (const source of Array.isArray(merged) ? merged : [merged]) {
    if (typeof source !== 'object' || source === null) throw new YamlError("invalid '<<' merge event")
    for (const [name, value] of Object.entries(source)) if (!Object.hasOwn(record, name)) setMember(record, name, value)
  }
}

function readScalar(node: { readonly value: unknown; readonly type?: unknown; readonly tag?: string }): unknown {
  const text = String(node.value ?? '')
  if (node.tag === 'tag:yaml.org,2002:str' || (node.type !== 'PLAIN' && node.type !== undefined)) return text
  return resolvePlain(text)
}

/** Block style, lists not indented under their key, `~` for null, quotes where the text would read as something else. */
export function toYaml(value: unknown): string {
  return stringify(value, {
    version: '1.1',
    indentSeq: false,
    nullStr: '~',
    singleQuote: true,
    lineWidth: 0,
    aliasDuplicateObjects: false,
    blockQuote: 'literal',
  })
}
