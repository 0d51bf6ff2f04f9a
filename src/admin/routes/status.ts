/** `/status`: memory, connections, and whether the database answers. */
import type { AdminOptions, MemoryStats, NodeStats } from '../admin-options.ts'
import type { RequestArguments } from '../arguments.ts'
import type { Endpoint } from '../endpoint.ts'
import { json, message, type Reply } from '../reply.ts'

const units: Readonly<Record<string, readonly [divisor: number, name: string]>> = {
  k: [1024, 'KiB'],
  m: [1024 ** 2, 'MiB'],
  g: [1024 ** 3, 'GiB'],
}
const scaleMax = 20

/** What `/status` is made of, on the Admin API and on the Status API alike. */
export interface StatusSources {
  readonly stats: Pick<NodeStats, 'memory' | 'connections' | 'dns'>
  /** Of a node without a database, or a data plane; null for others. */
  readonly configurationHash: (() => string) | null
  readonly databaseReachable: () => Promise<boolean>
}

export function statusEndpoints({ stats, store, databaseLess }: AdminOptions): Endpoint[] {
  const configurationHash = databaseLess === null ? null : () => databaseLess.currentHash()
  const sources: StatusSources = { stats, configurationHash, databaseReachable: () => store.ping() }
  return [
    { path: '/status', methods: { GET: ({ query }) => statusReply(sources, query) } },
    {
      path: '/status/dns',
      methods: { GET: () => dnsReply(stats) },
    },
  ]
}

/** Kong shows one worker's counters, and which worker's; these are those of all, whose number has no meaning then. */
export async function dnsReply(stats: Pick<NodeStats, 'dns'>): Promise<Reply> {
  const dns = await stats.dns()
  if (dns === null) return message(501, 'not implemented with the legacy DNS client')
  return json(200, { worker: { id: -1, count: dns.workerCount }, stats: dns.stats })
}

export async function statusReply(sources: StatusSources, query: RequestArguments): Promise<Reply> {
  const { stats, configurationHash, databaseReachable } = sources
  const format = sizeFormat(query.first('unit') ?? 'm', query.first('scale'))
  if (typeof format === 'string') return message(400, format)
  const [memory, server] = await Promise.all([stats.memory(), stats.connections()])
  const common = { memory: memoryBody(memory, format), server }
  if (configurationHash !== null) return json(200, { ...common, configuration_hash: configurationHash() })
  return json(200, { ...common, database: { reachable: await databaseReachable() } })
}

/** Bytes stay a number, other units are text with their name. */
type SizeFormat = (bytes: number) => number | string

/** The format, or what is wrong with the parameters. */
function sizeFormat(unit: string, scaleText: string | undefined): SizeFormat | string {
  const key = unit.toLowerCase()
  if (key === '' || key === 'b') return bytes => Math.trunc(bytes)
  const scale = scaleText === undefined || Number.isNaN(Number(scaleText)) ? 2 : Number(scaleText)
  if (scale < 0) return 'scale must be equal or greater than 0'
  const known = Object.hasOwn(units, key) ? units[key] : undefined
  if (known === undefined) return `invalid unit '${unit}' (expected 'k/K', 'm/M', or 'g/G')`
  const [divisor, name] = known
  const digits = Math.min(Math.trunc(scale), scaleMax)
  return bytes => `${(bytes / divisor).toFixed(digits)} ${name}`
}

/** The members' names are Kong's; what they count is a process's JavaScript heap, and what workers share. */
function memoryBody({ workers, shared }: MemoryStats, format: SizeFormat) {
  const dicts: Record<string, { allocated_slabs: number | string; capacity: number | string }> = {}
  for (const [name, { usedBytes, capacityBytes }] of Object.entries(shared)) {
    dicts[name] = { allocated_slabs: format(usedBytes), capacity: format(capacityBytes) }
  }
  return {
    workers_lua_vms: workers.map(({ pid, heapBytes }) => ({ http_allocated_gc: format(heapBytes), pid })),
    lua_shared_dicts: dicts,
  }
}
