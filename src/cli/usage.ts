/** Help texts, made from the definitions of the commands. */
import type { Command } from './command.ts'

const WIDTH = 90

export function commandUsage(command: Command): string {
  const { subcommands, positionals = [] } = command
  const words = subcommands === undefined ? positionals : ['COMMAND']
  const usage = ['Usage: kong', command.name, ...words, '[OPTIONS]'].join(' ')
  const parts = [usage, '', ...wrap(command.description, WIDTH)]
  if (subcommands !== undefined) {
    const rows = Object.entries(subcommands).map(
      ([name, { arguments: given = '', description }]) => [`${name} ${given}`.trim(), description] as const,
    )
    parts.push('', 'The available commands are:', ...table(rows))
  }
  const rows = Object.entries(command.options).map(([name, { short, value, description }]) => {
    const names = `${short === undefined ? '' : `-${short},`}--${name}`
    return [value === undefined ? names : `${names} ${value}`, description] as const
  })
  parts.push('', 'Options:', ...table([...rows, ['--v', 'verbose'], ['--vv', 'debug'], ['--help', 'this text']]))
  return parts.join('\n')
}

export function generalUsage(summaries: Readonly<Record<string, string>>): string {
  return [
    'Usage: kong COMMAND [OPTIONS]',
    '',
    'The available commands are:',
    ...table(Object.entries(summaries)),
    '',
    'Options:',
    ...table([
      ['--v', 'verbose'],
      ['--vv', 'debug'],
      ['--help', 'this text; with a command, its own'],
    ]),
  ].join('\n')
}

function table(rows: readonly (readonly [name: string, description: string])[]): string[] {
  const column = Math.min(34, Math.max(...rows.map(([name]) => name.length)) + 2)
  return rows.flatMap(([name, description]) => {
    const [first = '', ...rest] = wrap(description, WIDTH - column)
    const indent = ' '.repeat(column + 1)
    const lines = rest.map(line => indent + line)
    return name.length < column
      ? [` ${name.padEnd(column)}${first}`.trimEnd(), ...lines]
      : [` ${name}`, indent + first, ...lines]
  })
}

function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap(paragraph => {
    const lines: string[] = []
    let line = ''
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + 1 + word.length > width) {
        lines.push(line)
        line = word
      } else line = line === '' ? word : `${line} ${word}`
    }
    return [...lines, line]
  })
}
