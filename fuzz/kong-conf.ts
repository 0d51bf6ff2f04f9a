/**
 * Fuzzes kong.conf: no file, environment or value may make loading throw, hang, or print a secret; what was loaded can
 * be written and read back.
 */
import { type Random, seededRandom } from '../src/base/random.ts'
import { properties } from '../src/settings/definition.ts'
import { settingsDocument } from '../src/settings/document.ts'
import { loadSettings } from '../src/settings/load.ts'
import { saveSettings } from '../src/settings/saved-settings.ts'
import type { SettingsFiles } from '../src/settings/settings-files.ts'

const NAMES = Object.keys(properties)
const SENSITIVE = NAMES.filter(name => properties[name]!.sensitive && properties[name]!.type === 'string')
const SECRET = 'S3cr3tS3cr3t'
const PIECES = [
  'on',
  'off',
  'true',
  'auto',
  '0',
  '-1',
  '1e9',
  '99999999999999999999',
  '8k',
  '1d',
  'admin',
  'proxy',
  'memory',
  '127.0.0.1:8000',
  '[::1]:1 ssl',
  '0.0.0.0:8000 backlog=99',
  'a:b',
  '{vault://env/x}',
  '{vault://env/x/y}',
  '{vault://',
  '}',
  '#',
  '\\#',
  '\\',
  ',',
  '=',
  ' ',
  '\n',
  '\r',
  '\t',
  '\0',
  '\uFEFF',
  '\u2028',
  '💥',
  '%',
  "'",
  '"',
  '../..',
  '/dev/null',
  '-----BEGIN CERTIFICATE-----',
  'AAAA',
  'nginx_http_x = 1',
  'role = admin',
  'x'.repeat(300),
] as const

const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!

function text(random: Random): string {
  return Array.from({ length: Math.floor(random.next() * 5) }, () => pick(random, PIECES)).join('')
}

function aName(random: Random): string {
  const known = pick(random, NAMES)
  const dice = random.next()
  if (dice < 0.8) return known
  if (dice < 0.9) return `${known}_file`
  return known.slice(Math.floor(random.next() * 3), known.length - Math.floor(random.next() * 3))
}

/** One attempt; throws with what went wrong. */
export function attempt(random: Random): void {
  const lines = Array.from({ length: Math.floor(random.next() * 12) }, () => `${aName(random)} = ${text(random)}`)
  const sensitive = pick(random, SENSITIVE)
  lines.push(`${sensitive} = ${SECRET}${text(random)}`)
  const env: Record<string, string> = { X: pick(random, ['', 'value', '{"y":"z"}']) }
  for (let count = Math.floor(random.next() * 4); count > 0; count--)
    env[`KONG_${aName(random).toUpperCase()}`] = text(random)
  const contents = new Map([['/folder/kong.conf', lines.join('\n')]])
  const files: SettingsFiles = {
    folder: '/folder',
    read(path) {
      const content = contents.get(path)
      if (content === undefined) throw new Error('ENOENT')
      return content
    },
    exists: path => contents.has(path),
    isWritableFolder: () => random.next() < 0.5,
  }
  const loaded = loadSettings({ file: 'kong.conf', env, files })
  const messages = [...loaded.warnings, ...(loaded.ok ? [] : loaded.errors)]
  const leak = messages.find(message => message.includes(SECRET))
  if (leak !== undefined) throw new Error(`a message holds the secret: ${leak}`)
  if (!loaded.ok) return
  if (JSON.stringify(settingsDocument(loaded)).includes(SECRET)) throw new Error('the document holds the secret')
  const { conf, attachments } = saveSettings(loaded, files)
  contents.set('/saved', conf)
  for (const [file, content] of attachments) contents.set(`${loaded.settings.prefix}/${file}`, content)
  const again = loadSettings({ file: '/saved', env, ignoresEnvironment: true, files })
  if (!again.ok) throw new Error(`what was saved does not load: ${again.errors.join('; ')}\n${conf}`)
  if (again.settings.role !== loaded.settings.role || again.settings.storage !== loaded.settings.storage) {
    throw new Error('what was saved loads to something else')
  }
}

/** Attempts from one seed; the failing one is told with its number. */
export function fuzz(seed: number, isOver: (attempts: number) => boolean): number {
  const random = seededRandom(seed)
  let attempts = 0
  for (; !isOver(attempts); attempts++) {
    const state = Math.floor(random.next() * 2 ** 32)
    try {
      attempt(seededRandom(state))
    } catch (error) {
      throw new Error(`attempt ${attempts} of seed ${seed} (state ${state}) failed`, { cause: error })
    }
  }
  return attempts
}

export const name = 'kong-conf'

export function run(random: Random, isOver: () => boolean): number {
  return fuzz(Math.floor(random.next() * 2 ** 32), isOver)
}
