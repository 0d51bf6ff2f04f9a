import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseLogFormat } from './log-format.ts'

test('parseLogFormat() joins texts, and tells variables, families and words apart', () => {
  const parsed = parseLogFormat(`mine escape=json 'a $status "$http_user_agent" ' "\${arg_x}y"`)
  assert.deepEqual(parsed, {
    ok: true,
    name: 'mine',
    format: {
      escape: 'json',
      parts: [
        'a ',
        { variable: 'status', argument: '' },
        ' "',
        { variable: 'http_', argument: 'user_agent' },
        '" ',
        { variable: 'arg_', argument: 'x' },
        'y',
      ],
    },
  })
})

for (const [directive, error] of [
  ['', /a name and a text/],
  ['mine', /a name and a text|texts in quotes/],
  ["mine 'open", /texts in quotes/],
  ["mine escape=xml '$status'", /unknown escaping 'xml'/],
  ["mine '$no_such_thing'", /unknown variable '\$no_such_thing'/],
  ["mine '$http_'", /unknown variable '\$http_'/],
] as const) {
  test(`parseLogFormat() refuses ${JSON.stringify(directive)}`, () => {
    const parsed = parseLogFormat(directive)
    assert.equal(parsed.ok, false)
    assert.match(parsed.ok ? '' : parsed.error, error)
  })
}
