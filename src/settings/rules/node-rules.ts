/** What one node by itself must agree on: its store, id, certificates, and what is not there yet. */
import { resolve } from 'node:path'
import { keyMatches, readKeyMaterial } from '../key-material.ts'
import type { Findings, RuleContext } from './rule.ts'

const KNOWN_VAULTS: readonly string[] = ['bundled', 'env', 'off']

export function checkNode(context: RuleContext, findings: Findings): void {
  checkAvailability(context, findings)
  checkDeprecated(context, findings)
  checkCassandra(context, findings)
  checkCertificates(context, findings)
  checkFiles(context, findings)
  const { settings, origin } = context
  if (settings.node_id !== null && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(settings.node_id)) {
    findings.errors.push(`node_id must be a valid UUID, got '${settings.node_id}'` + origin('node_id'))
  }
  if (/[\0-\x1f\x7f]/.test(settings.prefix)) findings.errors.push('prefix must not contain control characters')
  const [pieces, bytes] = settings.nginx_http_large_client_header_buffers.split(/\s+/)
  if (!/^[1-9]\d{0,3}$/.test(pieces ?? '') || !/^[1-9]\d{0,6}[kmKM]?$/.test(bytes ?? '')) {
    findings.errors.push(
      `nginx_http_large_client_header_buffers is not <number> <size>: '${settings.nginx_http_large_client_header_buffers}'` +
        origin('nginx_http_large_client_header_buffers'),
    )
  }
}

/** In Kong's words; that neither value has an effect is said besides. */
function checkDeprecated({ settings, isGiven }: RuleContext, { warnings }: Findings): void {
  if (!isGiven('worker_consistency')) return
  warnings.push("the 'worker_consistency' configuration property is deprecated")
  if (settings.worker_consistency !== 'strict') return
  warnings.push(
    "the configuration value 'strict' for configuration property 'worker_consistency' is deprecated (use 'eventual')",
  )
}

/** Kong 2.8 has the same two. */
function checkCassandra({ settings, origin }: RuleContext, { errors }: Findings): void {
  if (settings.storage !== 'cassandra') return
  if (settings.cassandra_lb_policy.includes('DCAware') && settings.cassandra_local_datacenter === null) {
    errors.push(
      `must specify 'cassandra_local_datacenter' when ${settings.cassandra_lb_policy} policy is in use` +
        origin('cassandra_lb_policy'),
    )
  }
  if (settings.cassandra_repl_strategy !== 'NetworkTopologyStrategy') return
  const wrong = settings.cassandra_data_centers.find(text => !/^[^:]+:[1-9]\d{0,2}$/.test(text))
  if (wrong !== undefined) {
    errors.push(
      `cassandra_data_centers: '${wrong}' is not of the form 'name:replicas'` + origin('cassandra_data_centers'),
    )
  }
}

function checkAvailability({ settings, origin }: RuleContext, { errors }: Findings): void {
  for (const vault of settings.vaults) {
    if (!KNOWN_VAULTS.includes(vault)) {
      errors.push(`vaults: '${vault}' is not installed (available: ${KNOWN_VAULTS.join(', ')})` + origin('vaults'))
    }
  }
}

function checkCertificates({ settings, isGiven, origin }: RuleContext, { errors }: Findings): void {
  const lists = [
    ['ssl_cert', 'ssl_cert_key'],
    ['admin_ssl_cert', 'admin_ssl_cert_key'],
    ['status_ssl_cert', 'status_ssl_cert_key'],
  ] as const
  for (const [certificateName, keyName] of lists) {
    const [certificates, keys] = [settings[certificateName], settings[keyName]]
    if (isGiven(certificateName) && !isGiven(keyName)) errors.push(`${keyName} must be specified`)
    else if (isGiven(keyName) && !isGiven(certificateName)) errors.push(`${certificateName} must be specified`)
    else if (certificates.length !== keys.length) {
      errors.push(
        `${certificateName} was specified ${certificates.length} times while ${keyName} was specified ` +
          `${keys.length} times`,
      )
    } else if (certificates.some((certificate, index) => !keyMatches(certificate, keys[index]!))) {
      errors.push(`${keyName} does not belong to ${certificateName}` + origin(keyName))
    }
  }
  const pairs = [
    ['client_ssl_cert', 'client_ssl_cert_key'],
    ['pg_ssl_cert', 'pg_ssl_cert_key'],
  ] as const
  for (const [certificateName, keyName] of pairs) {
    const [certificate, key] = [settings[certificateName], settings[keyName]]
    if (isGiven(certificateName) && !isGiven(keyName)) errors.push(`${keyName} must be specified`)
    if (isGiven(keyName) && !isGiven(certificateName)) errors.push(`${certificateName} must be specified`)
    if (certificate !== null && key !== null && !keyMatches(certificate, key)) {
      errors.push(`${keyName} does not belong to ${certificateName}` + origin(keyName))
    }
  }
}

const UPSTREAM_AUTHORITIES = [
  'nginx_proxy_proxy_ssl_trusted_certificate',
  'nginx_sproxy_proxy_ssl_trusted_certificate',
] as const

function checkFiles({ settings, files, origin }: RuleContext, { errors }: Findings): void {
  for (const trusted of settings.lua_ssl_trusted_certificate) {
    const material = trusted === 'system' ? null : readKeyMaterial(trusted, 'certificate', files)
    if (material?.ok !== false) continue
    const place = origin('lua_ssl_trusted_certificate')
    errors.push(`lua_ssl_trusted_certificate: failed loading certificate from ${material.shown}${place}`)
  }
  // Only nginx reads these, from the prefix on.
  const fromPrefix = { ...files, folder: settings.prefix }
  for (const name of UPSTREAM_AUTHORITIES) {
    const text = settings[name]
    const material = text === null ? null : readKeyMaterial(text, 'certificate', fromPrefix)
    if (material?.ok !== false) continue
    errors.push(`${name}: failed loading certificate from ${material.shown}, in the prefix${origin(name)}`)
  }
  const names = ['error_template_html', 'error_template_json', 'error_template_xml', 'error_template_plain'] as const
  for (const name of names) {
    const path = settings[name]
    if (path !== null && !files.exists(resolve(files.folder, path))) {
      errors.push(`${name}: no such file at ${path}` + origin(name))
    }
  }
  const path = settings.admin_gui_path
  if (!path.startsWith('/')) errors.push("admin_gui_path must start with a slash ('/')" + origin('admin_gui_path'))
  if (/^\/.+\/$/.test(path)) errors.push("admin_gui_path must not end with a slash ('/')" + origin('admin_gui_path'))
  if (/[^A-Za-z0-9_/-]/.test(path)) {
    const allowed = "letters, digits, hyphens ('-'), underscores ('_'), and slashes ('/')"
    errors.push(`admin_gui_path can only contain ${allowed}` + origin('admin_gui_path'))
  }
  if (path.includes('//')) {
    errors.push("admin_gui_path must not contain continuous slashes ('/')" + origin('admin_gui_path'))
  }
}
