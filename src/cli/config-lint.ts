/** `kong config lint`: what a declarative file allows itself, but probably does not mean. */
import { lintConfiguration } from '../declarative/lint.ts'
import type { Settings } from '../settings/definition.ts'
import { systemClock } from '../base/clock.ts'
import type { CommandContext, Invocation } from './command.ts'
import { readConfiguration } from './configuration-input.ts'

/** Nothing found, cannot be used, found something: so that a CI job can tell them apart. */
export const EXIT = { same: 0, failed: 1, found: 2 } as const

export async function lintFile(
  settings: Settings,
  file: string,
  { options }: Invocation,
  context: CommandContext,
): Promise<number> {
  const { terminal } = context
  const input = await readConfiguration(settings, file, context)
  const findings = lintConfiguration({ ...input, nowMs: systemClock.now() })
  if (options['json'] !== undefined) terminal.printRaw(JSON.stringify({ findings }))
  else {
    for (const { rule, entity, message } of findings) terminal.print(`${entity}: ${message} [${rule}]`)
    const count = findings.length === 1 ? '1 finding' : `${findings.length} findings`
    terminal.print(findings.length === 0 ? `${file}: nothing to say` : count)
  }
  return findings.length === 0 ? EXIT.same : EXIT.found
}
