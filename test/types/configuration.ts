/** What a configuration in TypeScript and the Admin API client must and must not allow; checked by the compiler, never run. */
import { createAdminClient } from '../../src/client/admin-client.ts'
import { defineConfig } from '../../src/configuration/define-config.ts'

defineConfig({
  services: [
    {
      name: 'sample',
      url: 'http://sample.test',
      routes: [{ name: 'r', paths: ['/r'], plugins: [{ name: 'rate-limiting', config: { minute: 5 } }] }],
    },
    { host: 'other.test', protocol: 'https' },
  ],
  consumers: [{ username: 'alice', keyauth_credentials: [{ key: 'secret' }] }],
  plugins: [{ name: 'key-auth' }, { name: 'cors', service: 'sample', config: { origins: ['*'] } }],
  upstreams: [{ name: 'u', algorithm: 'least-connections', targets: [{ target: '10.0.0.1:80', weight: 5 }] }],
})
defineConfig(async () => ({ _format_version: '3.0' }))
const names = ['a', 'b'] as const
defineConfig({ services: names.map(name => ({ name, host: `${name}.test` })) })

// @ts-expect-error a service needs a host or a URL
defineConfig({ services: [{ name: 'a' }] })
// @ts-expect-error no such field
defineConfig({ services: [{ host: 'a.test', retires: 5 }] })
// @ts-expect-error no such protocol
defineConfig({ services: [{ host: 'a.test', protocol: 'gopher' }] })
// @ts-expect-error no such plugin
defineConfig({ plugins: [{ name: 'key-aut' }] })
// @ts-expect-error a field of another plugin
defineConfig({ plugins: [{ name: 'key-auth', config: { minute: 5 } }] })
// @ts-expect-error a number, not a text
defineConfig({ plugins: [{ name: 'rate-limiting', config: { minute: '5' } }] })
// @ts-expect-error no such policy
defineConfig({ plugins: [{ name: 'rate-limiting', config: { minute: 5, policy: 'global' } }] })
// @ts-expect-error http-log cannot do without an endpoint
defineConfig({ plugins: [{ name: 'http-log', config: {} }] })
// @ts-expect-error nor without a config
defineConfig({ plugins: [{ name: 'http-log' }] })
// @ts-expect-error key-auth cannot belong to a consumer
defineConfig({ plugins: [{ name: 'key-auth', consumer: 'alice' }] })
// @ts-expect-error targets are not nested in services
defineConfig({ services: [{ host: 'a.test', targets: [] }] })
// @ts-expect-error no such list
defineConfig({ service: [] })
// @ts-expect-error no such format
defineConfig({ _format_version: '4.0' })

export async function client() {
  const admin = createAdminClient({ url: 'http://localhost:8001' })
  const service = await admin.services.create({ url: 'http://a.test' })
  service.retries satisfies number | null
  service.host satisfies string
  await admin.routes.of('services', service.id).create({ paths: ['/a'], service: { name: 'a' } })
  await admin.routes.update('r', { strip_path: false })
  const plugin = (await admin.plugins.find('limits'))!
  if (plugin.name === 'rate-limiting') plugin.config.minute satisfies number | null
  // @ts-expect-error rows are whole: this is no text
  service.retries satisfies string
  // @ts-expect-error which plugin decides which config
  plugin.config.minute
  // @ts-expect-error no such field
  await admin.routes.update('r', { strip_paths: false })
  // @ts-expect-error a host or a URL
  await admin.services.create({ name: 'a' })
  // @ts-expect-error no such entity
  await admin.servicess.list()
  // @ts-expect-error which plugin decides which config
  await admin.plugins.create({ name: 'cors', config: { minute: 5 } })
}
