/** Templates: what expressions may say, and what is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileTemplate, LazyTable, TemplateError } from './template.ts'

const scope = {
  headers: new LazyTable(name => ({ host: 'h.test', many: ['a', 'b'], number: '7' })[name]),
  query_params: { q: 'x', flag: true },
  uri_captures: { id: '5', 1: 'one' },
  shared: { nested: { deep: 'd' }, no: false },
}

const cases: [template: string, text: string][] = [
  ['plain', 'plain'],
  ['$(headers.host)', 'h.test'],
  ['a-$(headers["host"])-$(query_params.q)', 'a-h.test-x'],
  ["$(headers['none'] or 'default')", 'default'],
  ['$(headers.none or headers.host)', 'h.test'],
  ['[$(headers.none)]', '[]'],
  ['[$(shared.no)]', '[]'],
  ['$(query_params.flag)', 'true'],
  ['$(uri_captures[1])/$(uri_captures.id)', 'one/5'],
  ['$(shared.nested.deep)', 'd'],
  ['$(headers.many[2])', 'b'],
  ['$(headers.many)', 'a, b'],
  ['$(type(headers.many) == "table" and headers.many[1] or headers.many)', 'a'],
  ['$("a" .. "b" .. 1)', 'ab1'],
  ['$((headers.host) == "h.test" and "yes" or "no")', 'yes'],
  ['$(headers.host ~= "x" and not shared.no)', 'true'],
  ['$(headers.host:upper():sub(1, 3))', 'H.T'],
  ['$(#headers.host)', '6'],
  ['$(tonumber(headers.number) > 5 and "big" or "small")', 'big'],
  ['$(tostring(nil))', 'nil'],
  ['$(nil or "x")', 'x'],
  ['$("it\\"s")', 'it"s'],
  ['$(10 * uri_captures.id)', '50'],
  ['$(1 + 2 * 3 - 4 / 8)', '6.5'],
  ['$(-7 % 5 .. "|" .. 7 % -5)', '3|-3'],
  ['$(0.1 + 0.2)', '0.3'],
  ['$(-(2 - 5))', '3'],
  ['$(1 / 0)', 'inf'],
  ['$(headers.number - 1 == 6)', 'true'],
  ['$(string.upper(string.sub(headers.host, -4)))', 'TEST'],
  ['costs $5 (net)', 'costs $5 (net)'],
]
for (const [template, text] of cases) {
  test(`compileTemplate() renders ${JSON.stringify(text)} when given ${template}`, () => {
    assert.equal(compileTemplate(template)(scope), text)
  })
}

const refused = [
  '$(os.exit)x$(os.exit())',
  '$((function() return 1 end)())',
  '$(headers.x = 1)',
  '$(headers.host:rep(1000000000))',
  '$(string.rep("x", 5))',
  '$(headers.',
  '$(headers.host',
  '$()',
  '$(1 +)',
  '$(1 * / 2)',
  '$(string.dump("x"))',
  '$(a b)',
  '$({1})',
  `$(${'('.repeat(100)}1${')'.repeat(100)})`,
  `$(${'x'.repeat(20_000)})`,
]
for (const template of refused) {
  test(`compileTemplate() refuses ${template.slice(0, 40)}`, () => {
    assert.throws(() => compileTemplate(template), TemplateError)
  })
}

for (const template of [
  '$(headers.none.x)',
  '$(shared.nested)',
  '$("a" .. nil)',
  '$(1 < "a")',
  '$(headers.none:lower())',
  '$(1 + "a")',
  '$(nothing(1))',
  '$(2 * nil)',
  '$(-headers.many)',
]) {
  test(`the template fails when rendering ${template}`, () => {
    assert.throws(() => compileTemplate(template)(scope), TemplateError)
  })
}

test('expressions see nothing but the given names', () => {
  for (const name of ['process', 'globalThis', 'constructor', '__proto__', 'toString']) {
    assert.equal(compileTemplate(`[$(${name})]`)(scope), '[]')
    assert.equal(compileTemplate(`[$(shared.${name})]`)(scope), '[]')
  }
})
