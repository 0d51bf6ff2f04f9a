/** Who gets the next request: weights, retries, thresholds, names that change, and what the Host header then says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anUpstreamOfTargets, peerOf, pick, resolved, spread } from '../../../test/kit/upstream-fixture.ts'
import type { Resolution } from '../upstream/resolver.ts'
import { createAddress } from './address.ts'
import type { AddressSet } from './address-set.ts'
import type { Pick } from './balancer.ts'
import { RoundRobin } from './round-robin.ts'
import { HostBalancer, UpstreamBalancer } from './service-balancers.ts'
import { hostHeader, parseTarget } from './target-address.ts'

test('RoundRobin gives each address its share exactly, in every turn of the wheel', () => {
  const { balancer, targets, use } = anUpstreamOfTargets()
  use({ '10.0.0.1:80': 100, '10.0.0.2:80': 50, '10.0.0.3:80': 25, '10.0.0.4:80': 0 })
  assert.equal(((targets.current() as AddressSet).selector as RoundRobin).placeCount, 7)
  for (let turn = 0; turn < 3; turn++)
    assert.deepEqual(spread(balancer, 7), { '10.0.0.1:80': 4, '10.0.0.2:80': 2, '10.0.0.3:80': 1 })
})

test('RoundRobin stays small when weights have no common divisor', () => {
  const { tools } = anUpstreamOfTargets()
  const addresses = Array.from({ length: 50 }, (_, i) => ({
    ...createAddress(tools.peers.get('x', `10.0.0.${i}`, 1)),
    weight: 65_521 + i,
  }))
  const wheel = new RoundRobin(addresses, tools.random)
  assert.ok(wheel.placeCount <= 2 ** 20 + addresses.length)
})

test('pick() avoids peers that failed in this exchange, and begins anew when all have', () => {
  const { balancer, use } = anUpstreamOfTargets()
  use({ '10.0.0.1:80': 1000, '10.0.0.2:80': 1 })
  const first = peerOf(pick(balancer))
  const second = peerOf(pick(balancer, [first]))
  assert.notEqual(second, first)
  assert.ok(peerOf(pick(balancer, [first, second])))
})

test('pick() fails when no target takes traffic', () => {
  const { balancer, down, use } = anUpstreamOfTargets()
  const failure = { failure: 'no_live_target' }
  use({})
  assert.deepEqual(pick(balancer), failure)
  use({ '10.0.0.1:80': 0 })
  assert.deepEqual(pick(balancer), failure)
  use({ '10.0.0.1:80': 10 })
  down.add('10.0.0.1:80')
  assert.deepEqual(pick(balancer), failure)
  down.clear()
  assert.equal(peerOf(pick(balancer)).ip, '10.0.0.1')
})

test('pick() fails for all while the available weight is not above the threshold', () => {
  const { balancer, down, use } = anUpstreamOfTargets()
  use({ '10.0.0.1:80': 50, '10.0.0.2:80': 50 }, { healthchecks: { threshold: 50 } })
  assert.ok(peerOf(pick(balancer)))
  down.add('10.0.0.1:80')
  assert.deepEqual(pick(balancer), { failure: 'no_live_target' })
  use({ '10.0.0.1:80': 50, '10.0.0.2:80': 50 }, { healthchecks: { threshold: 49 } })
  assert.equal(peerOf(pick(balancer)).ip, '10.0.0.2')
})

test('UpstreamTargets resolves names once, and follows them within a second', async () => {
  const { balancer, clock, names, questions, use } = anUpstreamOfTargets()
  let answer: (resolution: Resolution) => void = () => {}
  names.set('a.test', new Promise<Resolution>(resolve => (answer = resolve)))
  use({ 'a.test:8000': 10, '10.0.0.9:8000': 10 })
  const waiting = balancer.pick({ failed: [] }, null as never)
  assert.ok(waiting instanceof Promise)
  const first = resolved('10.0.0.1', '10.0.0.2')
  names.set('a.test', first)
  answer(first)
  assert.ok('peer' in (await waiting))
  questions.length = 0
  assert.deepEqual(spread(balancer, 6), { '10.0.0.1:8000': 2, '10.0.0.2:8000': 2, '10.0.0.9:8000': 2 })
  assert.equal(questions.length, 0, 'no question per request')
  names.set('a.test', resolved('10.0.0.3'))
  clock.advance(1000)
  assert.deepEqual(spread(balancer, 2), { '10.0.0.3:8000': 1, '10.0.0.9:8000': 1 })
})

test('UpstreamTargets leaves out names that do not resolve until they do, and takes port and weight from SRV', () => {
  const { balancer, clock, names, use } = anUpstreamOfTargets()
  use({ 'gone.test:8000': 10, '10.0.0.9:8000': 1 })
  assert.deepEqual(spread(balancer, 2), { '10.0.0.9:8000': 2 })
  names.set('gone.test', { ok: true, addresses: [{ ip: '10.0.0.1', port: 99, weight: 3 }] })
  clock.advance(1000)
  assert.deepEqual(spread(balancer, 4), { '10.0.0.1:99': 3, '10.0.0.9:8000': 1 })
})

test('peers keep their identity over changes of targets', () => {
  const { balancer, use } = anUpstreamOfTargets()
  use({ '10.0.0.1:80': 1 })
  const before = peerOf(pick(balancer))
  use({ '10.0.0.1:80': 5, '10.0.0.2:80': 0 })
  assert.equal(peerOf(pick(balancer)), before)
})

test('HostBalancer takes an address as it is and turns over the addresses of a name', () => {
  const { tools, names, questions } = anUpstreamOfTargets()
  const address = new HostBalancer(tools, { host: '[::1]', port: 8080, isTls: false })
  assert.deepEqual(pick(address), {
    peer: { ip: '::1', port: 8080, hostname: '::1', key: '[::1]:8080' },
    hostHeader: '[::1]:8080',
  })
  assert.equal(pick(address), pick(address), 'nothing is made per request')
  assert.equal(questions.length, 0)
  const named = new HostBalancer(tools, { host: 'a.test', port: 443, isTls: true })
  assert.deepEqual(pick(named), { failure: 'name_resolution_failed' })
  names.set('a.test', resolved('10.0.0.1', '10.0.0.2'))
  assert.deepEqual(spread(named, 4), { '10.0.0.1:443': 2, '10.0.0.2:443': 2 })
  const failed = peerOf(pick(named))
  assert.notEqual(peerOf(pick(named, [failed])), failed)
  assert.equal((pick(named) as Pick).hostHeader, 'a.test')
  names.set('a.test', { ok: false, failure: 'dns_error' })
  assert.deepEqual(pick(named), { failure: 'dns_error' })
})

test('UpstreamBalancer puts host_header or the name of the target into the Host header', () => {
  const { targets, balancer, names, use } = anUpstreamOfTargets()
  names.set('a.test', resolved('10.0.0.1'))
  use({ 'a.test:80': 1 })
  assert.equal((pick(balancer) as Pick).hostHeader, 'a.test')
  const fixed = new UpstreamBalancer(targets, { hostHeader: 'fixed.test', isTls: true })
  assert.equal((pick(fixed) as Pick).hostHeader, 'fixed.test:80')
})

test('hostHeader() leaves out the port of the scheme only', () => {
  assert.equal(hostHeader('a', 80, false), 'a')
  assert.equal(hostHeader('a', 443, false), 'a:443')
  assert.equal(hostHeader('a', 443, true), 'a')
  assert.equal(hostHeader('a', 80, true), 'a:80')
})

test('parseTarget() reads names and addresses with and without port', () => {
  assert.deepEqual(parseTarget('a.test:81'), { host: 'a.test', port: 81 })
  assert.deepEqual(parseTarget('a.test'), { host: 'a.test', port: 8000 })
  assert.deepEqual(parseTarget('[::1]:81'), { host: '::1', port: 81 })
  assert.deepEqual(parseTarget('[::1]'), { host: '::1', port: 8000 })
  assert.deepEqual(parseTarget('::1'), { host: '::1', port: 8000 })
})
