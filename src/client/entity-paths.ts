/** Paths of entities in the Admin API. Generated from the schemas by scripts/generate-docs.ts; not to be edited. */
export const entityPaths = {
  ca_certificates: { path: 'ca_certificates', nested: 'ca_certificates' },
  certificates: { path: 'certificates', nested: 'certificates' },
  key_sets: { path: 'key-sets', nested: 'key-sets' },
  vaults: { path: 'vaults', nested: 'vaults' },
  consumers: { path: 'consumers', nested: 'consumers' },
  upstreams: { path: 'upstreams', nested: 'upstreams' },
  services: { path: 'services', nested: 'services' },
  snis: { path: 'snis', nested: 'snis' },
  keys: { path: 'keys', nested: 'keys' },
  targets: { path: 'targets', nested: 'targets' },
  routes: { path: 'routes', nested: 'routes' },
  plugins: { path: 'plugins', nested: 'plugins' },
  keyauth_credentials: { path: 'key-auths', nested: 'key-auth' },
} as const
