/**
 * decK syncs 10,000 entities into an empty node: its time beside what the same writes cost when they are made by a
 * client that does nothing else, with as many requests at once; then a sync that finds nothing to do. `--entities N`
 */
import { writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { toYaml } from '../src/declarative/yaml.ts'
import { deck, deckIsMissing } from '../test/kit/deck.ts'
import { freePort, type TestNode } from '../test/kit/nodes.ts'
import { send } from '../test/kit/traffic.ts'
import { cpuSeconds, machineLine, Stage, table } from './measure.ts'

const { values } = parseArgs({ options: { entities: { type: 'string', default: '10000' } } })
/** A quarter each of services, routes, consumers and keys. */
const quarter = Math.floor(Number(values.entities) / 4)
/** decK's own default. */
const PARALLEL = 10

const service = (i: number) => ({ name: `service-${i}`, host: `10.0.${i % 250}.1`, port: 8080, path: `/v${i}` })
const route = (i: number) => ({ name: `route-${i}`, paths: [`/api/${i}`], hosts: [`h${i % 100}.example.test`] })
const consumer = (i: number) => ({ username: `user-${i}` })
const credential = (i: number) => ({ key: `key-${i}-0123456789abcdef` })

function stateFile(): string {
  const indexes = Array.from({ length: quarter }, (_, i) => i)
  return toYaml({
    _format_version: '3.0',
    services: indexes.map(i => ({ ...service(i), routes: [route(i)] })),
    consumers: indexes.map(i => ({ ...consumer(i), keyauth_credentials: [credential(i)] })),
  })
}

async function aNode(stage: Stage, name: string): Promise<{ node: TestNode; admin: string }> {
  const port = await freePort()
  const node = stage.node(name, {
    role: 'admin',
    admin_listen: `127.0.0.1:${port}`,
    admin_access_log: 'off',
    cluster_listen: `127.0.0.1:${await freePort()}`,
    status_listen: 'off',
  })
  await node.start()
  return { node, admin: `http://127.0.0.1:${port}` }
}

/** Seconds that it took, and of CPU that the node spent. */
async function timed(node: TestNode, work: () => Promise<unknown>): Promise<{ wall: number; cpu: number }> {
  const before = cpuSeconds(node.mainProcessId())
  const startedAt = performance.now()
  await work()
  const wall = (performance.now() - startedAt) / 1000
  const after = cpuSeconds(node.mainProcessId())
  return { wall, cpu: after.user + after.system - before.user - before.system }
}

/** The same entities in the same order, as PUT with ids as decK does it. */
async function writeAll(base: string): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL })
  const id = (kind: number, i: number) => `00000000-0000-4000-8000-${kind}${String(i).padStart(11, '0')}`
  const put = async (path: string, body: object) => {
    const answer = await send(`${base}${path}`, { method: 'PUT', agent, body })
    if (answer.status !== 200) throw new Error(`PUT ${path}: ${answer.status} ${answer.body}`)
  }
  const all = async (one: (i: number) => Promise<void>) => {
    let next = 0
    const run = async () => {
      for (let i = next++; i < quarter; i = next++) await one(i)
    }
    await Promise.all(Array.from({ length: PARALLEL }, run))
  }
  await all(i => put(`/services/${id(1, i)}`, service(i)))
  await all(i => put(`/routes/${id(2, i)}`, { ...route(i), service: { id: id(1, i) } }))
  await all(i => put(`/consumers/${id(3, i)}`, consumer(i)))
  await all(i => put(`/consumers/${id(3, i)}/key-auth/${id(4, i)}`, credential(i)))
  agent.destroy()
}

await Stage.run(async stage => {
  const missing = deckIsMissing()
  if (missing !== false) throw new Error(missing)
  writeFileSync(join(stage.folder, 'state.yaml'), stateFile())
  const { node, admin } = await aNode(stage, 'deck')
  const sync = async () => {
    const { code, out, err } = await deck(['gateway', 'sync', 'state.yaml'], { admin, folder: stage.folder })
    if (code !== 0) throw new Error(`deck ended with ${code}: ${out.slice(-500)}${err.slice(-500)}`)
  }
  const first = await timed(node, sync)
  const again = await timed(node, sync)
  await node.stop()
  const own = await aNode(stage, 'own')
  const direct = await timed(own.node, () => writeAll(own.admin))
  await own.node.stop()
  const row = (what: string, { wall, cpu }: { wall: number; cpu: number }) => [
    what,
    wall.toFixed(1),
    cpu.toFixed(1),
    ((cpu * 1000) / (4 * quarter)).toFixed(2),
    (wall / direct.wall).toFixed(2),
  ]
  console.log(
    `### decK sync of ${(4 * quarter).toLocaleString('en')} entities\n\n${machineLine()}; ${PARALLEL} at once\n`,
  )
  console.log(
    table(
      ['', 's', 'CPU s of the node', 'CPU ms per entity', 'times the writes alone'],
      [row('the writes alone', direct), row('deck sync, empty node', first), row('deck sync, nothing to do', again)],
    ),
  )
})
