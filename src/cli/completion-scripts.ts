/** Completion scripts of bash, zsh and fish: plain data turned into each shell's own words. */
import type { OptionDefinition } from './command.ts'

export interface CompletedCommand {
  readonly name: string
  readonly summary: string
  readonly options: readonly (OptionDefinition & { readonly long: string })[]
  readonly subcommands: readonly { readonly name: string; readonly description: string }[]
}

type Script = (commands: readonly CompletedCommand[]) => string

export const completionScripts = { bash, zsh, fish } as const satisfies Record<string, Script>

const PROGRAMS = ['kong', 'silverback'] as const
const SHELLS = ['bash', 'zsh', 'fish'] as const

/** Values that are no files; after all others files are offered. */
const PLAIN_VALUES = new Set(['SECONDS', 'URL', 'HEADER', 'TAG', 'NAME', 'IP', 'FLAGS', 'NUMBER'])

function wordsAfter({ name, subcommands }: CompletedCommand): string {
  return (name === 'completion' ? SHELLS : subcommands.map(sub => sub.name)).join(' ')
}

function bash(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(command => {
    const options = command.options.flatMap(({ long, short }) =>
      short === undefined ? [`--${long}`] : [`--${long}`, `-${short}`],
    )
    return `    ${command.name}) options='${options.join(' ')}'; words='${wordsAfter(command)}' ;;`
  })
  return `# bash completion of kong
_kong() {
  local current=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]} options= words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')} --help' -- "$current"))
    return
  fi
  case $command in
${cases.join('\n')}
    *) return ;;
  esac
  if [ "\${current:0:1}" = - ]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [ "$COMP_CWORD" -eq 2 ] && [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames ${PROGRAMS.map(program => `-F _kong ${program}`).join('\ncomplete -o filenames ')}
`
}

/** Inside single quotes; colons and brackets part the fields of zsh's specifications. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`
const zshText = (text: string) => firstLine(text).replaceAll(/[[\]:\\]/g, '\\$&')
const firstLine = (text: string) => text.split('\n')[0]!

function zsh(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name, summary }) => `    ${quoted(`${name}:${zshText(summary)}`)}`)
  const cases = commands.map(({ name, options, subcommands }) => {
    const specs = options.flatMap(({ long, short, value, description }) => {
      const isFile = value !== undefined && !PLAIN_VALUES.has(value)
      const argument = value === undefined ? '' : `:${value}:${isFile ? '_files' : ' '}`
      const names = short === undefined ? [`--${long}`] : [`--${long}`, `-${short}`]
      return names.map(one => `        ${quoted(`${one}[${zshText(description)}]${argument}`)}`)
    })
    const first = name === 'completion' ? `'1:shell:(${SHELLS.join(' ')})'` : zshFirst(subcommands)
    return `      ${name})\n        _arguments -S \\\n${[...specs, `        ${first}`, "        '*:file:_files'"].join(' \\\n')}\n        ;;`
  })
  return `#compdef ${PROGRAMS.join(' ')}
_kong() {
  local -a commands
  commands=(
${names.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
if [ "$funcstack[1]" = _kong ]; then _kong "$@"; else compdef _kong ${PROGRAMS.join(' ')}; fi
`
}

function zshFirst(subcommands: CompletedCommand['subcommands']): string {
  if (subcommands.length === 0) return "'1:file:_files'"
  const described = subcommands.map(({ name, description }) => {
    return `${name}\\:"${firstLine(description).replaceAll(/["\\$`]/g, '')}"`
  })
  return quoted(`1:command:((${described.join(' ')}))`)
}

function fish(commands: readonly CompletedCommand[]): string {
  const lines = ['# fish completion of kong']
  const text = (given: string) => `'${firstLine(given).replaceAll(/['\\]/g, '\\$&')}'`
  for (const program of PROGRAMS) {
    lines.push(`complete -c ${program} -f -n __fish_use_subcommand -l help -d 'help'`)
    for (const { name, summary, options, subcommands } of commands) {
      lines.push(`complete -c ${program} -f -n __fish_use_subcommand -a ${name} -d ${text(summary)}`)
      const inside = `-n '__fish_seen_subcommand_from ${name}'`
      const words = name === 'completion' ? SHELLS.map(shell => ({ name: shell, description: '' })) : subcommands
      const alone = `-n '__fish_seen_subcommand_from ${name}; and not __fish_seen_subcommand_from ${words.map(word => word.name).join(' ')}'`
      for (const word of words)
        lines.push(`complete -c ${program} -f ${alone} -a ${word.name} -d ${text(word.description)}`)
      for (const { long, short, value, description } of options) {
        const needs = value === undefined ? '' : PLAIN_VALUES.has(value) ? ' -x' : ' -r'
        const letter = short === undefined ? '' : ` -s ${short}`
        lines.push(`complete -c ${program} ${inside} -l ${long}${letter}${needs} -d ${text(description)}`)
      }
    }
  }
  return `${lines.join('\n')}\n`
}
