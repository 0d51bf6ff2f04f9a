/** The pages under docs/plugins, made from the plugin files; scripts/generate-docs.ts writes them. */
import { bundledPlugins } from '../src/plugins/bundled.ts'
import type { Field, PluginDefinition } from '../src/sdk/sdk.ts'

/** Path from the root of the repository, and what belongs there. */
export const pluginPages: Readonly<Record<string, () => string>> = Object.fromEntries([
  ['docs/plugins/README.md', pluginList],
  ...bundledPlugins.map(plugin => [`docs/plugins/${plugin.name}.md`, () => pluginPage(plugin)] as const),
])

const note = '<!-- Generated from the plugin files by scripts/generate-docs.ts. Do not edit. -->\n'

function pluginList(): string {
  const rows = bundledPlugins.map(
    ({ name, docs, priority }) => `| [${name}](${name}.md) | ${priority} | ${cell(docs.summary)} |`,
  )
  return [
    note,
    '# Plugins',
    '',
    'In the order in which they run.',
    '',
    '| plugin | priority | what it does |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function pluginPage(plugin: PluginDefinition): string {
  const { name, docs, priority, protocols, protocols_default, scopes } = plugin
  const example = JSON.stringify({ name, config: docs.example }, null, 2)
  const lines = [
    note,
    `# ${name}`,
    '',
    docs.summary,
    '',
    ...(docs.details === undefined ? [] : [docs.details, '']),
    `* priority ${priority}`,
    `* may be attached to: ${[...scopes, 'everything'].join(', ')}`,
    `* protocols: ${protocols.join(', ')}${protocols_default ? ` (default ${protocols_default.join(', ')})` : ''}`,
    '',
    '```json',
    example,
    '```',
    '',
    '## Configuration',
    '',
    '| field | type | default | |',
    '|---|---|---|---|',
    ...fieldRows('config', plugin.config),
    '',
  ]
  return lines.join('\n')
}

export function fieldRows(prefix: string, fields: PluginDefinition['config']): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`
    const row = `| \`${path}\` | ${cell(typeText(field))} | ${cell(defaultText(field))} | ${cell(field.description ?? '')} |`
    return field.type === 'record' && field.fields ? [row, ...fieldRows(path, field.fields)] : [row]
  })
}

function typeText(field: Field): string {
  const { type, elements, one_of, between, gt, required } = field
  const limits = [
    ...(one_of === undefined ? [] : [`one of ${one_of.map(value => `\`${value}\``).join(', ')}`]),
    ...(between === undefined ? [] : [`${between[0]} to ${between[1]}`]),
    ...(gt === undefined ? [] : [`above ${gt}`]),
    ...(required && field.default === undefined ? ['required'] : []),
  ]
  // That an element may not be null goes without saying.
  const base = elements === undefined ? type : `${type} of ${typeText({ ...elements, required: false })}`
  return [base, ...limits].join(', ')
}

function defaultText(field: Field): string {
  return field.default === undefined || field.default === null ? '' : `\`${JSON.stringify(field.default)}\``
}

export function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
