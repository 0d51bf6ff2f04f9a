/** Generated files are what the generator writes now. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { generated, generatedPath } from './generate-docs.ts'

for (const [name, make] of Object.entries(generated)) {
  test(`${name} is what scripts/generate-docs.ts writes when run now`, () => {
    assert.equal(readFileSync(generatedPath(name), 'utf8'), make())
  })
}
