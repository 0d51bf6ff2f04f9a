import assert from 'node:assert/strict'
import { createPrivateKey, sign, X509Certificate } from 'node:crypto'
import { beforeEach, describe, it } from 'node:test'
import { ManualClock } from '../../test/simulation/manual-clock.ts'
import { generateKey, type KeyPairPem } from '../base/certificates.ts'
import { silentLogger } from '../base/logger.ts'
import { systemRandom } from '../base/random.ts'
import { type ClusterAuthority, loadClusterAuthority } from './authority.ts'
import { createEnrollment, type EnrollAnswer, type Enrollment, enrollmentProof } from './enrollment.ts'
import { createJoinTokens, type JoinTokens, parseJoinToken } from './join-tokens.ts'
import type { DataPlaneRecord } from '../entities/cluster-view.ts'
import { type ClusterRecords, COLLECTIONS, createMemoryRecords } from './records.ts'

const ID = '00000000-0000-4000-8000-000000000001'
const REMOTE = '10.1.2.3'

let clock: ManualClock
let records: ClusterRecords
let authority: ClusterAuthority
let tokens: JoinTokens
let enrollment: Enrollment

beforeEach(async () => {
  clock = new ManualClock(Date.now())
  records = createMemoryRecords(() => clock.now())
  authority = await loadClusterAuthority({ records, clock, random: systemRandom })
  tokens = createJoinTokens({ records, authorityFingerprint: authority.fingerprint, clock, random: systemRandom })
  enrollment = createEnrollment({
    records,
    authority,
    tokens,
    autoApproveLoopback: true,
    purgeDelaySeconds: 1_209_600,
    clock,
    logger: silentLogger,
  })
})

function ask(key: KeyPairPem, ip: string, token: string | null = null, node_id = ID): Promise<EnrollAnswer> {
  const proof = sign('sha256', enrollmentProof(node_id, key.publicKey), createPrivateKey(key.privateKey))
  const request = { node_id, hostname: 'dp', public_key: key.publicKey, proof: proof.toString('base64'), token }
  return enrollment.enroll(request, ip)
}
const certificateOf = (answer: EnrollAnswer) => {
  assert.equal(answer.status, 'issued')
  return new X509Certificate((answer as { certificate: string }).certificate)
}
const reasonOf = (answer: EnrollAnswer) => (answer.status === 'refused' ? answer.reason : answer.status)

describe('cluster authority', () => {
  it('loadClusterAuthority() gives all control planes on one store the same', async () => {
    const fresh = createMemoryRecords(() => clock.now())
    const all = await Promise.all(
      Array.from({ length: 5 }, () => loadClusterAuthority({ records: fresh, clock, random: systemRandom })),
    )
    assert.equal(new Set(all.map(one => one.fingerprint)).size, 1)
  })

  it('issueNode() names the node, for a day, and for a client only', async () => {
    const key = await generateKey('P-256')
    const issued = authority.issueNode(ID, key.publicKey)
    const certificate = new X509Certificate(issued.certificate)
    assert.match(certificate.subject, new RegExp(`CN=${ID}$`, 'm'))
    assert.equal(issued.expiresAt - clock.now(), 86_400_000)
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2'])
    assert.equal(certificate.ca, false)
    assert.ok(certificate.verify(new X509Certificate(authority.certificate).publicKey))
    // Cannot pass for a control plane.
    assert.equal(certificate.checkHost('kong_clustering'), undefined)
  })
})

describe('join tokens', () => {
  it('create() stores no secret', async () => {
    const { token } = await tokens.create({ name: 'ci', ttl: 60, uses: null })
    const { secret, authorityFingerprint } = parseJoinToken(token)!
    assert.equal(authorityFingerprint, authority.fingerprint)
    const stored = JSON.stringify(await records.list(COLLECTIONS.tokens))
    assert.ok(!stored.includes(secret))
    assert.ok(!JSON.stringify(await tokens.list({ size: 10, after: null })).includes('secret'))
  })

  it('consume() counts uses, also when many nodes come at once', async () => {
    const { token } = await tokens.create({ name: null, ttl: 60, uses: 3 })
    const answers = await Promise.all(Array.from({ length: 8 }, () => tokens.consume(token)))
    assert.equal(answers.filter(answer => answer === null).length, 3)
    assert.equal(await tokens.consume(token), 'join token is used up')
  })

  it('consume() refuses expired, deleted, unknown and malformed tokens', async () => {
    const { token, id } = await tokens.create({ name: null, ttl: 60, uses: null })
    assert.equal(await tokens.consume(token), null)
    const other = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`
    assert.notEqual(await tokens.consume(other.slice(0, -2) + 'zz'), null)
    assert.equal(await tokens.consume('garbage'), 'join token is malformed')
    clock.advance(60_000)
    assert.match((await tokens.consume(token))!, /expired|unknown/)
    const again = await tokens.create({ name: null, ttl: 60, uses: null })
    assert.equal(await tokens.delete(again.id), true)
    assert.equal(await tokens.delete(again.id), false)
    assert.equal(await tokens.consume(again.token), 'join token is unknown')
    assert.equal(typeof id, 'string')
  })
})

describe('enrollment', () => {
  it('enroll() issues at once on loopback, or with a token, else waits for approval', async () => {
    const key = await generateKey('P-256')
    certificateOf(await ask(key, '127.0.0.1'))
    const { token } = await tokens.create({ name: null, ttl: 60, uses: 1 })
    const second = await generateKey('P-256')
    certificateOf(await ask(second, REMOTE, token, '00000000-0000-4000-8000-000000000002'))
    const third = await generateKey('P-256')
    const thirdId = '00000000-0000-4000-8000-000000000003'
    assert.equal((await ask(third, REMOTE, null, thirdId)).status, 'pending')
    assert.equal((await enrollment.approve(thirdId))?.status, 'approved')
    certificateOf(await ask(third, REMOTE, null, thirdId))
    assert.equal(await enrollment.approve('00000000-0000-4000-8000-000000000009'), null)
  })

  it('enroll() does not spend a second use of a token on a node that asks again', async () => {
    const { token } = await tokens.create({ name: null, ttl: 60, uses: 1 })
    const key = await generateKey('P-256')
    certificateOf(await ask(key, REMOTE, token))
    certificateOf(await ask(key, REMOTE, token))
  })

  it('enroll() lets nobody take the id of a node that waits or lives', async () => {
    const key = await generateKey('P-256')
    const thief = await generateKey('P-256')
    assert.equal((await ask(key, REMOTE)).status, 'pending')
    const { token } = await tokens.create({ name: null, ttl: 3_600, uses: null })
    assert.equal(reasonOf(await ask(thief, REMOTE, token)), 'this node id belongs to another key')
    await enrollment.approve(ID)
    certificateOf(await ask(key, REMOTE))
    const seen = { id: ID, last_seen: Math.floor(clock.now() / 1000) } as DataPlaneRecord
    await records.put(COLLECTIONS.dataPlanes, ID, seen)
    assert.equal(reasonOf(await ask(thief, REMOTE, token)), 'this node id belongs to another key')
    // Long gone: a node that lost its disk may join anew with its old id, if it can show that it may join at all.
    clock.advance(120_000)
    assert.equal(reasonOf(await ask(thief, REMOTE)), 'this node id belongs to another key')
    certificateOf(await ask(key, REMOTE))
    certificateOf(await ask(thief, REMOTE, token))
  })

  it('checkNode() takes only the key that was admitted', async () => {
    const old = certificateOf(await ask(await generateKey('P-256'), '127.0.0.1'))
    assert.equal(await enrollment.checkNode(ID, old), null)
    const fresh = certificateOf(await ask(await generateKey('P-256'), '127.0.0.1'))
    assert.equal(await enrollment.checkNode(ID, old), 'node is not enrolled')
    assert.equal(await enrollment.checkNode(ID, fresh), null)
  })

  it('revoke() holds for connecting, renewing and enrolling, with a token too, and approval does not undo it', async () => {
    const key = await generateKey('P-256')
    const certificate = certificateOf(await ask(key, '127.0.0.1'))
    const before = await enrollment.revocationCount()
    assert.equal((await enrollment.revoke(ID))?.status, 'revoked')
    assert.equal(await enrollment.revocationCount(), before + 1)
    assert.equal(await enrollment.checkNode(ID, certificate), 'node is revoked')
    assert.equal(await enrollment.renew(ID, certificate), null)
    const { token } = await tokens.create({ name: null, ttl: 60, uses: null })
    assert.equal(reasonOf(await ask(key, '127.0.0.1', token)), 'node is revoked')
    assert.equal(reasonOf(await ask(await generateKey('P-256'), '127.0.0.1', token)), 'node is revoked')
    assert.equal((await enrollment.approve(ID))?.status, 'revoked')
    assert.equal(await enrollment.revoke('00000000-0000-4000-8000-000000000009'), null)
  })

  it('enroll() takes a node back after its certificate ended, until the purge delay has passed', async () => {
    const key = await generateKey('P-256')
    assert.equal((await ask(key, REMOTE)).status, 'pending')
    await enrollment.approve(ID)
    certificateOf(await ask(key, REMOTE))
    clock.advance(10 * 86_400_000)
    certificateOf(await ask(key, REMOTE))
    clock.advance(16 * 86_400_000)
    assert.equal((await ask(key, REMOTE)).status, 'pending')
  })

  it('enroll() refuses other kinds of keys and proofs by other keys', async () => {
    const key = await generateKey('P-256')
    const other = await generateKey('P-256')
    assert.match(reasonOf(await ask({ publicKey: key.publicKey, privateKey: other.privateKey }, '127.0.0.1')), /proof/)
    assert.match(reasonOf(await ask(await generateKey('P-384'), '127.0.0.1')), /P-256/)
    assert.match(reasonOf(await ask(await generateKey('RSA-2048'), '127.0.0.1')), /P-256/)
  })

  it('enroll() forgets nodes that stopped waiting and holds a limited number', async () => {
    const key = await generateKey('P-256')
    const idOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
    for (let n = 0; n < 200; n++) assert.equal((await ask(key, REMOTE, null, idOf(n))).status, 'pending')
    assert.match(reasonOf(await ask(key, REMOTE, null, idOf(200))), /too many/)
    clock.advance(11 * 60_000)
    assert.equal((await ask(key, REMOTE, null, idOf(200))).status, 'pending')
  })
})
