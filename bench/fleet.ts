/**
 * What a control plane takes while many data planes follow many changes: memory, CPU, and when the last one has each.
 * The data planes are clients of ours in processes of their own, over real TLS. `--nodes N --changes N`
 */
import { parseArgs } from 'node:util'
import { freePort } from '../test/kit/nodes.ts'
import { admin } from '../test/kit/traffic.ts'
import { cpuSeconds, machineLine, peakMemory, percentile, residentMemory, Stage, table } from './measure.ts'
import { Fleet } from './simulated-fleet.ts'

const { values } = parseArgs({
  options: { nodes: { type: 'string', default: '500' }, changes: { type: 'string', default: '100' } },
})
const nodes = Number(values.nodes)
const changes = Number(values.changes)
await Stage.run(async stage => {
  const adminPort = await freePort()
  const clusterPort = await freePort()
  const controlPlane = stage.node('cp', {
    role: 'admin',
    admin_listen: `127.0.0.1:${adminPort}`,
    cluster_listen: `127.0.0.1:${clusterPort}`,
    status_listen: 'off',
    admin_access_log: 'off',
  })
  await controlPlane.start()
  const url = `http://127.0.0.1:${adminPort}`
  await admin(url, 'POST', '/services', { name: 's', url: 'http://127.0.0.1:1' })
  const main = controlPlane.mainProcessId()
  const idleMemory = residentMemory(main)

  const fleet = new Fleet(stage, clusterPort, nodes)
  const joinedIn = await fleet.follow(1)
  const known = (await admin(url, 'GET', '/clustering/data-planes?size=1')) as { data: { applied_version: number }[] }
  const joinedAt = known.data[0]!.applied_version
  const joinedMemory = residentMemory(main)
  const before = cpuSeconds(main)
  const startedAt = performance.now()
  const times: number[] = []
  for (let i = 0; i < changes; i++) {
    await admin(url, 'PUT', `/services/s/routes/route-${i}`, { paths: [`/route-${i}`] })
    const answeredAt = performance.now()
    await fleet.follow(joinedAt + 1 + i)
    times.push(performance.now() - answeredAt)
  }
  const seconds = (performance.now() - startedAt) / 1000
  const after = cpuSeconds(main)
  const cpu = after.user - before.user + after.system - before.system
  console.log(
    `### A control plane with ${nodes} data planes\n\n${machineLine()}; ${changes} changes, each awaited by all\n`,
  )
  const rows = [
    ['all data planes joined and up to date', `${(joinedIn / 1000).toFixed(1)} s`],
    ['a change is at the last data plane: p50', `${percentile(times, 50).toFixed(0)} ms`],
    ['a change is at the last data plane: p99', `${percentile(times, 99).toFixed(0)} ms`],
    ['CPU of the control plane per change', `${((cpu * 1000) / changes).toFixed(1)} ms`],
    ['CPU of the control plane per change and data plane', `${((cpu * 1e6) / changes / nodes).toFixed(0)} µs`],
    ['share of one core meanwhile', `${((cpu / seconds) * 100).toFixed(0)} %`],
    ['memory of the control plane: idle', `${idleMemory.toFixed(0)} MiB`],
    ['memory: all joined', `${joinedMemory.toFixed(0)} MiB`],
    ['memory: after the changes (peak)', `${residentMemory(main).toFixed(0)} MiB (${peakMemory(main).toFixed(0)})`],
  ]
  console.log(table(['', ''], rows))
})
