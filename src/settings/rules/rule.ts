/** A rule across properties, or beyond the type of one: looks at parsed values, answers with texts. */
import type { Settings } from '../definition.ts'
import type { SettingsFiles } from '../settings-files.ts'

export interface RuleContext {
  readonly settings: Settings
  readonly files: SettingsFiles
  /** True when somebody set the property, whether or not its value could be read. */
  isGiven(name: keyof Settings & string): boolean
  /** ` (text from place)`, to end a message with; empty for a default. */
  origin(name: keyof Settings & string): string
}

export interface Findings {
  readonly errors: string[]
  readonly warnings: string[]
}

export type Rule = (context: RuleContext, findings: Findings) => void
