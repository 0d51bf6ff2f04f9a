/** Which entities have rules across rows. */
import { caCertificateRules } from './ca-certificates.ts'
import { certificateRules } from './certificates.ts'
import type { EntityRules } from './entity-rules.ts'
import { pluginRules } from './plugins.ts'

const RULES: Readonly<Record<string, EntityRules>> = {
  ca_certificates: caCertificateRules,
  certificates: certificateRules,
  plugins: pluginRules,
}
const none: EntityRules = {}

export function rulesOf(entity: string): EntityRules {
  return RULES[entity] ?? none
}
