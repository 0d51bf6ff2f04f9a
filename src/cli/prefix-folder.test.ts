/** The prefix: nothing half-written, all undone after a failure, and a pid file that is not believed blindly. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { createLogFiles } from '../base/log-files.ts'
import { PrefixChanges, prefixPaths } from './prefix-folder.ts'
import { claimPrefix, findRunning, isAlive, releasePrefix } from './process-record.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'prefix-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('PrefixChanges undoes what it made and restores what it replaced', () => {
  const changes = new PrefixChanges()
  writeFileSync(join(folder, 'old'), 'before')
  changes.makeFolder(join(folder, 'a', 'b'))
  changes.makeFolder(join(folder, 'kept'))
  changes.writeFile(join(folder, 'a', 'new'), 'x', 0o600)
  changes.writeFile(join(folder, 'old'), 'after', 0o600)
  assert.equal(statSync(join(folder, 'a', 'new')).mode & 0o777, 0o600)
  assert.equal(readFileSync(join(folder, 'old'), 'utf8'), 'after')
  writeFileSync(join(folder, 'kept', 'by-others'), '')
  changes.undo()
  assert.deepEqual(readdirSync(folder).sort(), ['kept', 'old'])
  assert.equal(readFileSync(join(folder, 'old'), 'utf8'), 'before')
})

test('PrefixChanges tells which folder cannot be made', () => {
  writeFileSync(join(folder, 'file'), '')
  assert.throws(() => new PrefixChanges().makeFolder(join(folder, 'file', 'x')), /could not create .*file\/x/)
})

test('claimPrefix() lets one process in, until it is gone', async () => {
  const paths = prefixPaths(folder)
  mkdirSync(join(folder, 'pids'))
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' })
  try {
    await once(child, 'spawn')
    assert.equal(findRunning(paths), null)
    assert.ok(claimPrefix(paths, child.pid!))
    assert.equal(findRunning(paths), child.pid)
    assert.equal(readFileSync(paths.pid, 'utf8'), `${child.pid}\n`)
    assert.ok(!claimPrefix(paths, process.pid))
    releasePrefix(paths, process.pid)
    assert.ok(existsSync(paths.pid), 'only its owner takes a claim back')
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  assert.ok(!isAlive(child.pid!))
  assert.equal(findRunning(paths), null)
  assert.ok(claimPrefix(paths, process.pid), 'a stale file is in nobody’s way')
  assert.equal(findRunning(paths), process.pid)
  releasePrefix(paths, process.pid)
  assert.deepEqual(readdirSync(join(folder, 'pids')), [])
})

test('findRunning() does not believe a pid that another process has got since', { skip: !existsSync('/proc') }, () => {
  const paths = prefixPaths(folder)
  mkdirSync(join(folder, 'pids'))
  writeFileSync(paths.pid, `${process.pid}\n`)
  assert.equal(findRunning(paths), process.pid, 'without a record of the beginning, being alive must do')
  writeFileSync(paths.process, JSON.stringify({ pid: process.pid, start_ticks: '1' }))
  assert.equal(findRunning(paths), null)
  for (const text of ['', 'x', '-1', '0', '99999999999']) {
    writeFileSync(paths.pid, text)
    assert.equal(findRunning(paths), null, text)
  }
})

test('createLogFiles() appends, opens files again after they were moved, and tells once that it cannot write', () => {
  const errors: string[] = []
  const waiting: (() => void)[] = []
  const files = createLogFiles({
    prefix: folder,
    output: null,
    after: (_ms, callback) => waiting.push(callback),
    onError: message => errors.push(message),
  })
  const line = files.to('logs/access.log')
  line('one')
  line('two')
  assert.equal(waiting.length, 1, 'lines are gathered')
  waiting.shift()!()
  assert.equal(readFileSync(join(folder, 'logs', 'access.log'), 'utf8'), 'one\ntwo\n')
  rmSync(join(folder, 'logs', 'access.log'))
  line('lost with the old file')
  files.reopen()
  files.direct('logs/access.log')('three\n')
  assert.equal(readFileSync(join(folder, 'logs', 'access.log'), 'utf8'), 'three\n')
  line('four')
  files.close()
  assert.equal(readFileSync(join(folder, 'logs', 'access.log'), 'utf8'), 'three\nfour\n')
  mkdirSync(join(folder, 'taken'))
  const broken = files.direct('taken')
  broken('x\n')
  broken('y\n')
  assert.equal(errors.length, 1)
  files.close()
})

test('createLogFiles() writes everything to the output when there is one', () => {
  let text = ''
  const files = createLogFiles({
    prefix: folder,
    output: more => (text += more),
    after: () => {},
    onError: assert.fail,
  })
  files.to('logs/access.log')('line')
  files.direct('logs/error.log')('whole\n')
  files.close()
  assert.equal(text, 'line\nwhole\n')
  assert.deepEqual(readdirSync(folder), [])
})
