/** From `kong start` of a data plane with 10,000 saved routes, and no control plane, to its first proxied answer. */
import { send } from '../test/kit/traffic.ts'
import { startPair } from './hybrid-pair.ts'
import { machineLine, median, Stage, table } from './measure.ts'
import { startUpstream } from './nginx.ts'

await Stage.run(async stage => {
  const upstream = await startUpstream(stage, '1')
  const pair = await startPair(stage, 'start', 10_000, upstream.port)
  await pair.controlPlane.stop()
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    await pair.dataPlane.stop()
    const startedAt = performance.now()
    const started = pair.dataPlane.start()
    for (;;) {
      const status = await send(`http://127.0.0.1:${pair.proxyPort}/route-9999`).then(
        answer => answer.status,
        () => 0,
      )
      if (status === 200) break
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    times.push(performance.now() - startedAt)
    await started
  }
  console.log(`### Start from the saved configuration\n\n${machineLine()}; 10,000 routes, control plane gone\n`)
  console.log(
    table(
      ['', 'median s', 'max s', 'target s'],
      [['first proxied answer', (median(times) / 1000).toFixed(2), (Math.max(...times) / 1000).toFixed(2), '1.5']],
    ),
  )
})
