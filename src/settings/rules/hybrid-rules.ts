/** What the two roles of hybrid mode demand of the other settings; texts as in Kong, with which scripts compare. */
import { isIP } from 'node:net'
import { keyMatches } from '../key-material.ts'
import type { Findings, RuleContext } from './rule.ts'

export function checkHybrid(context: RuleContext, findings: Findings): void {
  const { settings, origin } = context
  const { errors } = findings
  if (settings.role !== 'traditional') checkTrust(context, findings)
  if (settings.role === 'admin') checkControlPlane(context, findings)
  else if (settings.role === 'proxy') checkDataPlane(context, findings)
  else if (settings.cluster_dp_labels.length > 0) {
    errors.push('cluster_dp_labels can only be used when role = "data_plane"' + origin('cluster_dp_labels'))
  }
  if (settings.cluster_data_plane_purge_delay < 60) {
    errors.push('cluster_data_plane_purge_delay must be 60 or greater' + origin('cluster_data_plane_purge_delay'))
  }
  if (settings.cluster_max_payload < 4194304) {
    errors.push('cluster_max_payload must be 4194304 (4MB) or greater' + origin('cluster_max_payload'))
  }
}

function checkTrust({ settings, isGiven, origin }: RuleContext, { errors, warnings }: Findings): void {
  const certificateGiven = isGiven('cluster_cert') || isGiven('cluster_cert_key')
  if (settings.cluster_mtls === 'enroll') {
    if (certificateGiven) warnings.push('cluster_cert and cluster_cert_key are not used when cluster_mtls = "enroll"')
    return
  }
  if (!isGiven('cluster_cert') || !isGiven('cluster_cert_key')) {
    errors.push('cluster certificate and key must be provided to use Hybrid mode' + origin('cluster_mtls'))
    return
  }
  const { cluster_cert: certificate, cluster_cert_key: key } = settings
  if (certificate !== null && key !== null && !keyMatches(certificate, key)) {
    errors.push('cluster_cert_key does not belong to cluster_cert' + origin('cluster_cert_key'))
  }
  if (isGiven('cluster_join_token')) {
    warnings.push(`cluster_join_token is not used when cluster_mtls = "${settings.cluster_mtls}"`)
  }
}

function checkControlPlane({ settings, isGiven, origin }: RuleContext, { errors, warnings }: Findings): void {
  if (settings.admin_listen.length === 0) {
    errors.push('admin_listen must be specified when role = "control_plane"' + origin('admin_listen'))
  }
  if (settings.cluster_mtls === 'pki' && !isGiven('cluster_ca_cert')) {
    errors.push('cluster_ca_cert must be specified when cluster_mtls = "pki"')
  }
  if (settings.cluster_crl.length > 0 && settings.cluster_mtls !== 'pki') {
    errors.push(`cluster_crl can only be used when cluster_mtls = "pki"${origin('cluster_crl')}`)
  }
  // Taken silently, it would let revoked certificates in that an operator believes are shut out.
  if (settings.cluster_mtls === 'pki' && settings.cluster_ocsp !== 'off') {
    const remedy = 'no authority is asked; leave it out and name revocation lists in cluster_crl'
    const found = settings.cluster_ocsp === 'on' ? errors : warnings
    found.push(`cluster_ocsp is not supported: ${remedy}${origin('cluster_ocsp')}`)
  }
  if (settings.cluster_listen.length === 0) {
    errors.push('cluster_listen must be specified when role = "control_plane"' + origin('cluster_listen'))
  }
  if (settings.storage === 'memory') {
    errors.push('in-memory storage can not be used when role = "control_plane"' + origin('storage'))
  }
  if (settings.cluster_use_proxy) {
    errors.push('cluster_use_proxy can not be used when role = "control_plane"' + origin('cluster_use_proxy'))
  }
  if (settings.cluster_dp_labels.length > 0) {
    errors.push('cluster_dp_labels can not be used when role = "control_plane"' + origin('cluster_dp_labels'))
  }
}

function checkDataPlane({ settings, origin }: RuleContext, { errors }: Findings): void {
  if (settings.proxy_listen.length === 0) {
    errors.push('proxy_listen must be specified when role = "data_plane"' + origin('proxy_listen'))
  }
  if (settings.storage !== 'memory') {
    const hint = 'Hint: set database = off in your kong.conf'
    errors.push(`only in-memory storage can be used when role = "data_plane"\n${hint}${origin('storage')}`)
  }
  if (settings.cluster_control_plane.length === 0) {
    errors.push('cluster_control_plane must be specified when role = "data_plane"' + origin('cluster_control_plane'))
  }
  if (settings.cluster_use_proxy && settings.proxy_server === null) {
    errors.push('cluster_use_proxy is turned on but no proxy_server is configured' + origin('cluster_use_proxy'))
  }
  const wrongLabel = checkLabels(settings.cluster_dp_labels)
  if (wrongLabel !== null) errors.push(wrongLabel + origin('cluster_dp_labels'))
  const name = settings.cluster_server_name
  if (name !== null && (isIP(name) !== 0 || !/^[\w*]([\w.-]*\w)?$/.test(name))) {
    errors.push(`cluster_server_name is not a host name: '${name}'` + origin('cluster_server_name'))
  }
}

const LABELS_MAX = 10
const LABEL_LENGTH_MAX = 63
const LABEL_VALUE = /^[a-z0-9]([\w.:-]*[a-z0-9])?$/i
const LABEL_VALUE_SHOWN = '[a-z0-9]([\\w\\.:-]*[a-z0-9]|)$'
const RESERVED_KEY = /^(kong|konnect|insomnia|mesh|kic)/i
const RESERVED_SHOWN = '(?!kong)(?!konnect)(?!insomnia)(?!mesh)(?!kic)'

/** What is wrong with `key:value` labels, or null. */
export function checkLabels(labels: readonly string[]): string | null {
  if (labels.length > LABELS_MAX) return `labels validation failed: count exceeded ${LABELS_MAX} max elements`
  for (const label of labels) {
    const colon = label.indexOf(':')
    const key = colon < 0 ? '' : label.slice(0, colon)
    const value = colon < 0 ? '' : label.slice(colon + 1)
    const keyError = checkLabelPart(key, RESERVED_KEY.test(key), RESERVED_SHOWN + LABEL_VALUE_SHOWN)
    if (keyError !== null) return `label key validation failed: ${keyError}`
    const valueError = checkLabelPart(value, false, LABEL_VALUE_SHOWN)
    if (valueError !== null) return `label value validation failed: ${valueError}`
  }
  return null
}

function checkLabelPart(text: string, isReserved: boolean, pattern: string): string | null {
  if (text === '' || text.length > LABEL_LENGTH_MAX) {
    return `${text} must have between 1 and ${LABEL_LENGTH_MAX} characters`
  }
  return isReserved || !LABEL_VALUE.test(text) ? `${text} is invalid. Must match pattern: ${pattern}` : null
}
