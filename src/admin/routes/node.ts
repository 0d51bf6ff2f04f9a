/** `/`, `/endpoints`, `/timers`: what this node is and what it can do. */
import { KONG_VERSION } from '../../base/version.ts'
import type { AdminOptions } from '../admin-options.ts'
import type { Endpoint } from '../endpoint.ts'
import { json } from '../reply.ts'

export function nodeEndpoints(options: AdminOptions, others: ReadonlyMap<string, Endpoint>): Endpoint[] {
  const { catalog, node, stats, settings } = options
  const pluginNames = configuredPlugins(options)
  const root: Endpoint = {
    path: '/',
    methods: {
      async GET() {
        const available: Record<string, { version: string; priority: number }> = {}
        for (const { name, priority } of catalog.plugins.values()) available[name] = { version: KONG_VERSION, priority }
        return json(200, {
          tagline: 'Welcome to kong',
          version: KONG_VERSION,
          edition: 'community',
          hostname: node.hostname,
          node_id: node.id,
          timers: stats.timers(),
          plugins: { available_on_server: available, enabled_in_cluster: await pluginNames() },
          lua_version: node.runtimeVersion,
          configuration: settings(),
          pids: stats.pids(),
        })
      },
    },
  }
  const timers: Endpoint = {
    path: '/timers',
    methods: { GET: () => json(200, timersBody(options)) },
  }
  const paths = [...others.keys(), '/', '/endpoints', '/timers'].sort(bySegments)
  const endpoints: Endpoint = { path: '/endpoints', methods: { GET: () => json(200, { data: paths }) } }
  const robots: Endpoint = {
    path: '/robots.txt',
    methods: {
      GET: () => ({ status: 200, text: { type: 'text/plain; charset=UTF-8', content: 'User-agent: *\nDisallow: /' } }),
    },
  }
  return [root, timers, endpoints, robots]
}

/** `/a/z` before `/ab`: a slash sorts before every other character. */
function bySegments(a: string, b: string): number {
  const [x, y] = [a.replaceAll('/', '\0'), b.replaceAll('/', '\0')]
  return x < y ? -1 : x > y ? 1 : 0
}

/** Names of the plugins that are configured somewhere; read again only when the configuration has changed. */
function configuredPlugins({ store }: AdminOptions): () => Promise<readonly string[]> {
  let known: { version: number; names: readonly string[] } | null = null
  const pageSize = 1000
  return async () => {
    const { version } = await store.head()
    if (known?.version === version) return known.names
    const names = new Set<string>()
    let after: string | null = null
    do {
      const page: Awaited<ReturnType<typeof store.page>> = await store.page('plugins', { size: pageSize, after })
      for (const row of page.rows) names.add(row['name'] as string)
      after = page.next
    } while (after !== null)
    known = { version, names: [...names] }
    return known.names
  }
}

function timersBody({ stats }: AdminOptions) {
  const count = Math.max(1, stats.pids().workers.length)
  return { worker: { id: 0, count }, stats: stats.timerReport() }
}
