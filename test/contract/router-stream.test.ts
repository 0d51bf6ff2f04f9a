/** Which route serves a connection of the stream proxy, in each flavour. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Row } from '../../src/entities/config.ts'
import type { RouterFlavor } from '../../src/entities/routes.ts'
import { type StreamInput, StreamRouter } from '../../src/proxy/router/stream-router.ts'
import { compiled, id } from './router.kit.ts'

interface StreamCase {
  readonly name: string
  readonly flavors: readonly RouterFlavor[]
  /** In this order they get the ids 1, 2, ... and are created in it. */
  readonly routes: readonly Row[]
  /** Number of the route that answers, 0 for none. */
  readonly connections: readonly (readonly [input: Partial<StreamInput>, route: number])[]
}

const ALL = ['traditional', 'traditional_compatible', 'expressions'] as const
const [TRADITIONAL, ...COMPATIBLE] = ALL

const CASES: readonly StreamCase[] = [
  {
    name: 'addresses, networks and ports',
    flavors: ALL,
    routes: [
      { protocols: ['tcp'], sources: [{ ip: '10.0.0.1' }] },
      { protocols: ['tcp'], sources: [{ ip: '10.1.2.3/16' }] },
      { protocols: ['tcp'], sources: [{ port: 7 }] },
      { protocols: ['tcp'], destinations: [{ ip: '10.2.0.1', port: 9 }] },
      { protocols: ['tcp'], destinations: [{ ip: 'fd00::1' }] },
    ],
    connections: [
      [{ sourceIp: '10.0.0.1' }, 1],
      [{ sourceIp: '10.1.9.9' }, 2],
      [{ sourcePort: 7 }, 3],
      [{ destinationIp: '10.2.0.1', destinationPort: 9 }, 4],
      [{ destinationIp: '10.2.0.1' }, 0],
      [{ destinationIp: 'fd00:0::1' }, 5],
    ],
  },
  {
    name: 'server names',
    flavors: ALL,
    routes: [{ protocols: ['tls'], snis: ['a.test.'] }],
    connections: [
      [{ protocol: 'tls', sni: 'a.test' }, 1],
      [{ protocol: 'tls', sni: 'b.test' }, 0],
    ],
  },
  {
    name: 'wildcard server names, which do not count without TLS',
    flavors: COMPATIBLE,
    routes: [{ protocols: ['tls'], snis: ['*.test', 'a.*'] }],
    connections: [
      [{ protocol: 'tls', sni: 'x.y.test' }, 1],
      [{ protocol: 'tls', sni: 'a.org' }, 1],
      [{ protocol: 'tls', sni: 'test' }, 0],
      [{ protocol: 'tcp' }, 1],
    ],
  },
  {
    name: 'a route for server names takes no plain connection',
    flavors: [TRADITIONAL],
    routes: [{ protocols: ['tls'], snis: ['a.test'] }],
    connections: [[{ protocol: 'tcp' }, 0]],
  },
  {
    name: 'source with destination goes before a server name, that before one address, that before a port and a network',
    flavors: COMPATIBLE,
    routes: [
      { protocols: ['tls'], sources: [{ ip: '10.0.0.0/8' }] },
      { protocols: ['tls'], sources: [{ port: 7 }] },
      { protocols: ['tls'], sources: [{ ip: '10.0.0.1' }] },
      { protocols: ['tls'], snis: ['a.test'] },
      { protocols: ['tls'], sources: [{ ip: '10.0.0.9' }], destinations: [{ port: 9 }] },
    ],
    connections: [
      [{ sourceIp: '10.0.0.9', destinationPort: 9, protocol: 'tls', sni: 'a.test' }, 5],
      [{ sourceIp: '10.0.0.1', sourcePort: 7, protocol: 'tls', sni: 'a.test' }, 4],
      [{ sourceIp: '10.0.0.1', sourcePort: 7, protocol: 'tls', sni: 'b' }, 3],
      [{ sourceIp: '10.0.0.2', sourcePort: 7, protocol: 'tls', sni: 'b' }, 2],
      [{ sourceIp: '10.0.0.2', protocol: 'tls', sni: 'b' }, 1],
    ],
  },
  {
    name: 'more kinds of conditions go first, then an address with port, then what was created first',
    flavors: [TRADITIONAL],
    routes: [
      { protocols: ['tcp'], sources: [{ ip: '10.0.0.1' }] },
      { protocols: ['tcp'], sources: [{ ip: '10.0.0.0/8' }] },
      { protocols: ['tcp'], sources: [{ ip: '10.0.0.1', port: 7 }] },
      { protocols: ['tcp'], sources: [{ ip: '10.0.0.0/8' }], destinations: [{ port: 9 }] },
    ],
    connections: [
      [{ sourceIp: '10.0.0.1', sourcePort: 7, destinationPort: 9 }, 4],
      [{ sourceIp: '10.0.0.1', sourcePort: 7 }, 3],
      [{ sourceIp: '10.0.0.1' }, 1],
      [{ sourceIp: '10.0.0.2' }, 2],
    ],
  },
  {
    name: 'expressions with priorities, before the traditional form',
    flavors: ['expressions'],
    routes: [
      { protocols: ['tcp'], expression: 'net.src.ip in 10.0.0.0/8', priority: 1 },
      { protocols: ['tcp'], expression: 'net.dst.port == 9 && net.src.ip == 10.0.0.1', priority: 2 },
      { protocols: ['tcp'], sources: [{ ip: '10.0.0.1', port: 7 }], destinations: [{ port: 9 }] },
      { protocols: ['tls'], expression: 'tls.sni =^ ".test"', priority: 9 },
      { protocols: ['udp'], expression: 'net.dst.port > 0', priority: 9 },
    ],
    connections: [
      [{ sourceIp: '10.0.0.1', sourcePort: 7, destinationPort: 9 }, 2],
      [{ sourceIp: '10.0.0.1', sourcePort: 7 }, 1],
      [{ protocol: 'tls', sni: 'a.test' }, 4],
      [{ protocol: 'udp' }, 5],
      [{ sourceIp: '10.0.0.1', protocol: 'udp' }, 5],
      [{ sourceIp: '10.0.0.1', protocol: 'tls', sni: 'x' }, 0],
    ],
  },
]

const connection = (input: Partial<StreamInput>): StreamInput => ({
  protocol: 'tcp',
  sni: '',
  sourceIp: '127.0.0.1',
  sourcePort: 40_000,
  destinationIp: '127.0.0.2',
  destinationPort: 9000,
  ...input,
})

for (const { name, flavors, routes, connections } of CASES)
  for (const flavor of flavors)
    test(`the stream router of ${flavor} answers by the rule: ${name}`, () => {
      const router = new StreamRouter(flavor)
      const rows = routes.map((row, i) => ({ ...row, id: id(i + 1), created_at: 1000 + i }))
      for (const row of rows.toReversed()) router.add(compiled(row))
      for (const [input, route] of connections)
        assert.equal(router.match(connection(input))?.id ?? null, route === 0 ? null : id(route), JSON.stringify(input))
      for (const row of rows) router.remove(compiled(row))
      assert.equal(router.size, 0)
    })
