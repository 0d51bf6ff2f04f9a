/** What testssl.sh finds weak in TLS at default settings: nothing. */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { aNode, freePort, temporaryFolder } from '../kit/nodes.ts'

interface Finding {
  readonly id: string
  readonly severity: string
  readonly finding: string
}

/** Protocols, kinds of ciphers, forward secrecy, renegotiation, compression. Certificates are each operator's own. */
const CHECKS = ['--protocols', '--std', '--pfs', '--renegotiation', '--compression']
/** Findings of lesser weight than LOW are no weakness: OK, INFO, and WARN for what the scanner itself cannot do. */
const WEAK = ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'FATAL']

/** Debian installs it as `testssl`, others as `testssl.sh`. */
function scanner(): string | null {
  for (const name of ['testssl', 'testssl.sh']) {
    try {
      return execFileSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
    } catch {
      // Not this one.
    }
  }
  return null
}

const program = scanner()
const isRequired = process.env['KONG_TEST_REQUIRE'] === 'all'
const skip = program === null && !isRequired ? 'testssl.sh is not installed' : false

test('testssl.sh finds no weak protocol, cipher or option at default settings', { skip }, async t => {
  assert.ok(program !== null, 'testssl.sh is not installed (Debian: testssl.sh)')
  const port = await freePort()
  const settings = { storage: 'memory', admin_listen: 'off', status_listen: 'off', nginx_worker_processes: '1' }
  await aNode(t, { ...settings, proxy_listen: `127.0.0.1:${port} http2 ssl reuseport backlog=16384` }).start()
  const report = join(temporaryFolder(t), 'report.json')
  const options = ['--quiet', '--warnings', 'off', '--color', '0', '--ip', 'one', '--jsonfile', report]
  // Its status counts findings, of every kind; the report is what counts here.
  await promisify(execFile)(program, [...options, ...CHECKS, `127.0.0.1:${port}`]).catch(() => {})
  const findings = JSON.parse(readFileSync(report, 'utf8')) as Finding[]
  const weak = findings.filter(({ severity }) => WEAK.includes(severity))
  assert.deepEqual(weak, [])
  // That it has looked at all.
  const found = (id: string) => findings.find(finding => finding.id === id)?.finding ?? ''
  assert.match(found('TLS1_3'), /offered/)
  assert.match(found('TLS1'), /^not offered/)
  // `PFS` up to version 3.0.
  assert.match(found('FS') || found('PFS'), /offered/)
})
