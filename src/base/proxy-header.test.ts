import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseProxyHeader } from './proxy-header.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const v1 = (text: string) => Buffer.from(text, 'latin1')
const parse = (bytes: Buffer) => parseProxyHeader(bytes, bytes.length)

const four = {
  sourceAddress: '192.168.0.1',
  sourcePort: 56324,
  destinationAddress: '192.168.0.11',
  destinationPort: 443,
}
const six = { sourceAddress: '2001:db8::1', sourcePort: 1, destinationAddress: '::', destinationPort: 2 }
const v2Four = `${SIGNATURE} 21 11 000c c0a80001 c0a8000b dc04 01bb`
const v2Six = `${SIGNATURE} 21 21 0024 20010db8000000000000000000000001 00000000000000000000000000000000 0001 0002`

const GOOD: readonly [what: string, bytes: Buffer, addresses: object | null][] = [
  ['version 1, IPv4', v1('PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n'), four],
  ['version 1, IPv6', v1('PROXY TCP6 2001:db8::1 :: 1 2\r\n'), six],
  ['version 1, unknown', v1('PROXY UNKNOWN\r\n'), null],
  ['version 1, unknown with more', v1('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), null],
  ['version 2, IPv4', hex(v2Four), four],
  ['version 2, IPv6', hex(v2Six), six],
  ['version 2, datagrams', hex(v2Four.replace(' 11 ', ' 12 ')), four],
  ['version 2, a check of the balancer itself', hex(`${SIGNATURE} 20 00 0000`), null],
  ['version 2, a check with addresses', hex(v2Four.replace(' 21 ', ' 20 ')), null],
  ['version 2, unspecified', hex(`${SIGNATURE} 21 00 0003 010203`), null],
  ['version 2, Unix sockets', hex(`${SIGNATURE} 21 31 00d8 ${'00'.repeat(216)}`), null],
  ['version 2, extensions', hex(`${SIGNATURE} 21 11 0014 c0a80001 c0a8000b dc04 01bb 02 0001 61 04 0001 ff`), four],
  [
    'version 2, mapped IPv4',
    hex(`${SIGNATURE} 21 21 0024 00000000000000000000ffffc0a80001 00000000000000000000ffffc0a8000b dc04 01bb`),
    four,
  ],
]
for (const [what, bytes, addresses] of GOOD) {
  test(`parseProxyHeader() reads ${what}, whole or in pieces, and nothing behind it`, () => {
    const withMore = Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1\r\n\r\n')])
    assert.deepEqual(parse(withMore), { state: 'complete', end: bytes.length, addresses })
    for (let length = 0; length < bytes.length; length++)
      assert.deepEqual(parseProxyHeader(withMore, length), { state: 'incomplete' }, `${length} bytes`)
  })
}

const BAD: readonly [what: string, bytes: Buffer][] = [
  ['HTTP', v1('GET / HTTP/1.1\r\n\r\n')],
  ['lower case', v1('proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n')],
  ['a bare line feed', v1(`PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n${' '.repeat(100)}`)],
  ['another family', v1('PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n')],
  ['an address of the other family', v1('PROXY TCP4 ::1 ::2 1 2\r\n')],
  ['a name', v1('PROXY TCP4 localhost 1.2.3.4 1 2\r\n')],
  ['leading zeros in an address', v1('PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n')],
  ['a zone', v1('PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n')],
  ['two spaces', v1('PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n')],
  ['a port too large', v1('PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n')],
  ['a leading zero in a port', v1('PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n')],
  ['no ports', v1('PROXY TCP4 1.2.3.4 1.2.3.4\r\n')],
  ['more parts', v1('PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n')],
  ['an endless line', v1(`PROXY UNKNOWN ${'x'.repeat(200)}`)],
  ['version 3', hex(v2Four.replace(' 21 ', ' 31 '))],
  ['an unknown command', hex(v2Four.replace(' 21 ', ' 22 '))],
  ['an unknown family', hex(v2Four.replace(' 11 ', ' 41 '))],
  ['an unknown transport', hex(v2Four.replace(' 11 ', ' 13 '))],
  ['a length that cuts its addresses off', hex(v2Four.replace('000c', '000b'))],
  ['a length beyond the limit', hex(`${SIGNATURE} 21 11 ffff`)],
  ['an extension that is longer than the header', hex(`${v2Four.replace('000c', '0010')} 02 0002 61`)],
]
for (const [what, bytes] of BAD)
  test(`parseProxyHeader() refuses ${what}`, () => assert.equal(parse(bytes).state, 'malformed'))
