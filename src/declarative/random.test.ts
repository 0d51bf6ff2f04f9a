/** Short seeded runs of the fuzz targets, so that every test run tries some thousand random inputs. */
import { test } from 'node:test'
import { seededRandom, systemRandom } from '../base/random.ts'
import * as declarative from '../../fuzz/declarative.ts'
import * as formArguments from '../../fuzz/form-arguments.ts'
import * as validation from '../../fuzz/validate.ts'

for (const { target, rounds } of [
  { target: formArguments, rounds: 3000 },
  { target: validation, rounds: 40 },
  { target: declarative, rounds: 200 },
]) {
  test(`run() of ${target.name} finds nothing when given random input`, t => {
    const seed = Number(process.env['TEST_SEED'] ?? Math.floor(systemRandom.next() * 2 ** 32))
    t.diagnostic(`seed ${seed} (again with TEST_SEED=${seed})`)
    let left = rounds
    target.run(seededRandom(seed), () => left-- <= 0)
  })
}
