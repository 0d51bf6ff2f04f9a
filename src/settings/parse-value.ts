/** From the text of one property to its value, or to what is wrong with it. */
import { type MaterialKind, readKeyMaterial, splitRevocationLists } from './key-material.ts'
import { isSocketEntry, listenUsage, parseEndpoint, parseListen, SOCKET_PATH_BYTES_MAX } from './listen-address.ts'
import type { Endpoint, PortMap, Property } from './property.ts'
import type { SettingsFiles } from './settings-files.ts'

export type ParsedValue =
  | { readonly ok: true; readonly value: unknown }
  /** Kong's wording where Kong has one; `accepted` adds what it leaves out. */
  | { readonly ok: false; readonly error: string; readonly accepted?: string }

const valid = (value: unknown): ParsedValue => ({ ok: true, value })

/** `text` is trimmed and not empty; references in it are resolved. */
export function parseValue(name: string, property: Property, text: string, files: SettingsFiles): ParsedValue {
  const shown = property.sensitive ? '******' : text
  switch (property.type) {
    case 'string':
      return parseChoice(name, property, text, shown)
    case 'number':
      return parseNumber(name, property, text)
    case 'boolean':
      if (text === 'on' || text === 'true') return valid(true)
      if (text === 'off' || text === 'false') return valid(false)
      return { ok: false, error: `${name} is not a boolean: '${shown}'`, accepted: 'on, off, true, false' }
    case 'array':
      return valid(splitList(text))
    case 'listen':
      return parseListeners(name, property, text)
    case 'endpoints':
      return parseEndpoints(name, text)
    case 'port_maps':
      return parsePortMaps(name, text)
    case 'size':
      return parseUnit(name, text, SIZES, 'a size', 'digits and one of k, m, g')
    case 'duration':
      return parseUnit(name, text, DURATIONS, 'a duration', 'digits and one of ms, s, m, h, d, w')
    case 'count':
      if (text === 'auto') return valid('auto')
      if (/^\d{1,6}$/.test(text) && Number(text) > 0) return valid(Number(text))
      return { ok: false, error: `${name} has an invalid value: '${text}' (auto, or a number from 1)` }
    case 'certificate':
    case 'key':
      return parseMaterial(name, property.type, text, files)
    case 'revocation_lists':
      return parseRevocationLists(name, text, files)
    case 'certificates':
    case 'keys':
      return parseMaterialList(name, property.type === 'keys' ? 'key' : 'certificate', text, files)
  }
}

function parseListeners(name: string, property: Property, text: string): ParsedValue {
  const subsystem = property.subsystem ?? 'http'
  const socket = splitList(text).find(isSocketEntry)
  const addresses = socket !== undefined && property.sockets !== true ? null : parseListen(text, subsystem)
  if (addresses !== null) return valid(addresses)
  if (socket === undefined) return { ok: false, error: `${name} ${listenUsage(subsystem)}, got '${text}'` }
  const rule = `a socket is unix:/<path> of at most ${SOCKET_PATH_BYTES_MAX} bytes`
  return {
    ok: false,
    error: `${name} has an invalid value: '${text}' (${property.sockets === true ? rule : 'it takes no unix sockets'})`,
  }
}

export function splitList(text: string): string[] {
  return text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

function parseChoice(name: string, property: Property, text: string, shown: string): ParsedValue {
  if (property.one_of === undefined) return valid(text)
  const meant = property.synonyms?.[text] ?? text
  if (property.one_of.includes(meant)) return valid(meant)
  const accepted = [...property.one_of, ...Object.keys(property.synonyms ?? {})].join(', ')
  return { ok: false, error: `${name} has an invalid value: '${shown}' (${accepted})` }
}

function parseNumber(name: string, property: Property, text: string): ParsedValue {
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) || !Number.isFinite(Number(text))) {
    return { ok: false, error: `${name} is not a number: '${text}'` }
  }
  const value = Number(text)
  const [min, max] = property.between ?? [-Infinity, Infinity]
  if (value < min || value > max || (property.integer && !Number.isInteger(value))) {
    const kind = property.integer ? 'an integer' : 'a number'
    return { ok: false, error: `${name} has an invalid value: '${text}' (${kind} from ${min} to ${max})` }
  }
  return valid(value)
}

const SIZES: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }
const DURATIONS: Readonly<Record<string, number>> = { '': 1, ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800 }

function parseUnit(
  name: string,
  text: string,
  units: Readonly<Record<string, number>>,
  kind: string,
  accepted: string,
): ParsedValue {
  const match = /^(\d{1,12})([a-z]{0,2})$/.exec(text.toLowerCase())
  const factor = match === null ? undefined : units[match[2]!]
  if (match === null || factor === undefined) return { ok: false, error: `${name} is not ${kind}: '${text}'`, accepted }
  return valid(Number(match[1]) * factor)
}

function parseEndpoints(name: string, text: string): ParsedValue {
  const found: Endpoint[] = []
  for (const item of splitList(text)) {
    const endpoint = parseEndpoint(item)
    if (endpoint === null || endpoint.port === 0) {
      return { ok: false, error: `${name} must be of form: <host>:<port>[, <host>:<port>, ...], got '${item}'` }
    }
    found.push(endpoint)
  }
  return valid(found)
}

function parsePortMaps(name: string, text: string): ParsedValue {
  const maps: PortMap[] = []
  for (const item of splitList(text)) {
    const match = /^(\d{1,5}):(\d{1,5})$/.exec(item)
    const [external, internal] = [Number(match?.[1]), Number(match?.[2])]
    if (!(external >= 1 && external <= 65535 && internal >= 1 && internal <= 65535)) {
      return { ok: false, error: `invalid port mapping (\`${name}\`): ${item}`, accepted: 'external:internal' }
    }
    maps.push({ external, internal })
  }
  return valid(maps)
}

function parseMaterial(name: string, kind: MaterialKind, text: string, files: SettingsFiles): ParsedValue {
  const material = readKeyMaterial(text, kind, files)
  if (material.ok) return valid(material.pem)
  return {
    ok: false,
    error: `${name}: failed loading ${kind} from ${material.shown}`,
    accepted: 'a path, PEM text, or base64 of PEM text',
  }
}

function parseRevocationLists(name: string, text: string, files: SettingsFiles): ParsedValue {
  const texts = parseMaterialList(name, 'revocation list', text, files)
  return texts.ok ? valid((texts.value as string[]).flatMap(splitRevocationLists)) : texts
}

function parseMaterialList(name: string, kind: MaterialKind, text: string, files: SettingsFiles): ParsedValue {
  const pems: unknown[] = []
  for (const item of splitList(text)) {
    const one = parseMaterial(name, kind, item, files)
    if (!one.ok) return one
    pems.push(one.value)
  }
  return valid(pems)
}
