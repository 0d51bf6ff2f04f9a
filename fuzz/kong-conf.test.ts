/** A short run of the fuzzer with every test run; a failure names its seed. */
import { test } from 'node:test'
import { fuzz } from './kong-conf.ts'

test('loadSettings() neither throws nor tells secrets when file and environment are random', t => {
  const seed = Math.floor(performance.timeOrigin) % 2 ** 32
  t.diagnostic(`seed ${seed}`)
  fuzz(seed, attempts => attempts === 500)
})
