/**
 * From the Admin API's answer to the effect on a data plane, at 1, 1,000 and 10,000 routes: time and bytes.
 * `--changes N`
 */
import { parseArgs } from 'node:util'
import { admin, send } from '../test/kit/traffic.ts'
import { startPair } from './hybrid-pair.ts'
import { machineLine, percentile, Stage, table } from './measure.ts'
import { startUpstream } from './nginx.ts'

const { values } = parseArgs({ options: { changes: { type: 'string', default: '100' } } })

await Stage.run(async stage => {
  const upstream = await startUpstream(stage, '1')
  const rows: (string | number)[][] = []
  for (const routes of [1, 1_000, 10_000]) {
    const pair = await startPair(stage, `p${routes}`, routes, upstream.port)
    const times: number[] = []
    const before = pair.relay.counts()
    for (let i = 0; i < Number(values.changes); i++) {
      await admin(pair.admin, 'PUT', `/services/s/routes/probe-${i % 5}`, { paths: [`/probe-${i}`], strip_path: false })
      const answeredAt = performance.now()
      const url = `http://127.0.0.1:${pair.proxyPort}/probe-${i}`
      while ((await send(url, { agent: pair.agent })).status !== 200) {
        if (performance.now() - answeredAt > 10_000) throw new Error(`change ${i} did not arrive within 10 s`)
      }
      times.push(performance.now() - answeredAt)
    }
    const after = pair.relay.counts()
    const perChange = (direction: 'down' | 'up') =>
      Math.round((after[direction] - before[direction]) / Number(values.changes))
    rows.push([
      routes,
      percentile(times, 50).toFixed(1),
      percentile(times, 99).toFixed(1),
      perChange('down'),
      perChange('up'),
    ])
    await pair.dataPlane.stop()
    await pair.controlPlane.stop()
  }
  console.log(`### Propagation of one change\n\n${machineLine()}; ${values.changes} changes, one after the other\n`)
  console.log(table(['routes', 'p50 ms', 'p99 ms', 'bytes to the data plane', 'bytes back'], rows))
})
