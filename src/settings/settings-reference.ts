/** `kong.conf.default` and the reference of all settings, written from the definition. */
import { formatConfEntry } from './conf-file.ts'
import { sections } from './definition.ts'
import type { Property } from './property.ts'

const WIDTH = 100

/** Every property commented out with its default: copied and edited, or read. */
export function defaultConf(): string {
  const blocks = sections.map(({ title, introduction, properties }) => {
    const entries = Object.entries(properties).map(([name, property]) => {
      const assignment = formatConfEntry(name, property.default ?? '').trim()
      return [...comment(notes(property)), `#${assignment}`].join('\n')
    })
    return [rule(title), ...comment(introduction), '', entries.join('\n\n')].join('\n')
  })
  const head = [
    '# Settings of Silverback, in the format of kong.conf. Generated from src/settings by scripts/generate-docs.ts.',
    '#',
    '# Every property can also be set by an environment variable, which wins over this file: KONG_LOG_LEVEL=debug.',
    '# KONG_<PROPERTY>_FILE, or <property>_file in here, names a file that holds the value.',
    '# {vault://env/name} as value, or as item of a list, is replaced by the environment variable NAME.',
    '# A # begins a comment; \\# is the character itself. Lists are separated by commas, booleans are on or off.',
  ]
  return `${head.join('\n')}\n\n${blocks.join('\n\n\n')}\n`
}

const rule = (title: string) => `#${'-'.repeat(WIDTH - 1)}\n# ${title.toUpperCase()}\n#${'-'.repeat(WIDTH - 1)}`

function notes(property: Property): string {
  return [property.description, ...remarks(property)].join(' ')
}

function remarks({ one_of, synonyms, type, alias_of, deprecated, without_effect, sensitive }: Property): string[] {
  const accepted = one_of === undefined || type === 'boolean' ? [] : [...one_of, ...Object.keys(synonyms ?? {})]
  return [
    accepted.length === 0 ? '' : `Values: ${accepted.join(', ')}.`,
    deprecated && alias_of !== undefined ? 'Deprecated.' : '',
    sensitive ? 'Never printed.' : '',
    without_effect === undefined ? '' : `Without effect: ${without_effect}.`,
  ].filter(text => text !== '')
}

function comment(text: string): string[] {
  const lines: string[] = []
  let line = '#'
  for (const word of text.split(' ')) {
    if (line !== '#' && line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = '#'
    }
    line += ` ${word}`
  }
  return [...lines, line]
}

/** The same for people, as Markdown. */
export function settingsReference(): string {
  const parts = sections.map(({ title, introduction, properties }) => {
    const rows = Object.entries(properties).map(([name, property]) => {
      const initial = property.default === null ? '' : `\`${property.default}\``
      return `| \`${name}\` | ${cell(initial)} | ${cell(notes(property))} |`
    })
    return [`## ${title}`, '', introduction, '', '| property | default | meaning |', '|---|---|---|', ...rows].join(
      '\n',
    )
  })
  return `${INTRODUCTION}\n${parts.join('\n\n')}\n`
}

const cell = (text: string) => text.replaceAll('|', '\\|')

const INTRODUCTION = `# Settings

<!-- Generated from src/settings by scripts/generate-docs.ts: edit there. -->

A node takes its settings from, in this order, each winning over the one before:

1. the defaults below,
2. a file in the format of \`kong.conf\`: the one named with \`-c\`, else \`/etc/kong/kong.conf\` or \`/etc/kong.conf\`,
3. environment variables: \`KONG_\` and the property in capitals, such as \`KONG_LOG_LEVEL=debug\`,
4. options of the command, such as \`--prefix\`.

In the file, \`key = value\` stands on a line; \`#\` begins a comment, and \`\\#\` is the character itself. Lists are separated by
commas; booleans are \`on\` or \`off\`. An empty value leaves a property unset.

* \`KONG_<PROPERTY>_FILE=path\` (in the file: \`<property>_file = path\`) takes the value from a file, as containers mount
  secrets.
* \`{vault://env/name}\` as value, or as item of a list, is replaced by the environment variable \`NAME\`;
  \`{vault://env/name/key}\` by a member of the JSON object in there.
* Certificates and keys are given as path, as PEM text, or as base64 of PEM text.
* \`kong check file\` tells all that is wrong with a file and the environment, and where each value came from. A property
  that nobody knows is ignored with a warning that names the nearest one.
* Names of Kong 3.9 that have another name here work as equals; those without meaning here are accepted, and say so.
`
