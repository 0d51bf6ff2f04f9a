/** Whether a data plane's version may follow this control plane; Kong's rules (kong/clustering/compat, 3.9). */

export type SyncStatus = 'unknown' | 'normal' | 'kong_version_incompatible'

/** Null when it may, else the reason. */
export function versionConflict(dataPlane: string, controlPlane: string): string | null {
  const theirs = majorMinor(dataPlane)
  const ours = majorMinor(controlPlane)
  if (theirs === null || ours === null) return `data plane version ${dataPlane} is incompatible with control plane`
  const [major, minor] = ours
  if (theirs[0] !== major) {
    return `data plane version ${dataPlane} is incompatible with control plane version ${controlPlane} (${major}.x.y are accepted)`
  }
  if (theirs[1] > minor) {
    return `data plane version ${dataPlane} is incompatible with older control plane version ${controlPlane}`
  }
  return null
}

function majorMinor(version: string): readonly [number, number] | null {
  const match = /^(\d+)\.(\d+)\.\d+/.exec(version)
  return match === null ? null : [Number(match[1]), Number(match[2])]
}
