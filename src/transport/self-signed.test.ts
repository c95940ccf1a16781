import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { systemClock } from '../base/time/clock.ts'
import { loadOrCreateCertificate } from './self-signed.ts'
import { certificateFingerprint } from './tls.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-certificate-'))
})

after(() => rm(folder, { recursive: true }))

function options(name: string) {
  const certificatePath = join(folder, `${name}.pem`)
  const keyPath = join(folder, `${name}.key`)
  const names = { hostname: 'box', fqdn: 'box.example.com' }
  return { certificatePath, keyPath, clock: systemClock, keyBits: 2048, ...names }
}

suite('loadOrCreateCertificate()', () => {
  test('makes the certificate of the page and keeps it', async () => {
    const first = await loadOrCreateCertificate(nodeFileSystem, options('a'))
    assert.equal(first.created, true)
    const certificate = new X509Certificate(first.certificatePem)
    assert.match(certificate.serialNumber, /^[0-9A-F]{2,40}$/)
    assert.match(
      certificate.subject,
      /^O=Proxmox Backup Server\nOU=[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\nCN=box\.example\.com$/,
    )
    assert.equal(certificate.issuer, certificate.subject)
    assert.equal(certificate.ca, false)
    assert.equal(
      certificate.subjectAltName,
      'IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:localhost, DNS:box, DNS:box.example.com',
    )
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'])
    assert.ok(certificate.verify(certificate.publicKey))
    const years = certificate.validToDate.getUTCFullYear() - new Date().getUTCFullYear()
    assert.ok(years >= 998 && years <= 1000)
    assert.equal((await stat(options('a').keyPath)).mode & 0o777, 0o640)
    assert.equal((await stat(options('a').certificatePath)).mode & 0o777, 0o640)
    const second = await loadOrCreateCertificate(nodeFileSystem, options('a'))
    assert.deepEqual({ ...second, created: true }, first)
    const fingerprint = certificateFingerprint(await readFile(options('a').certificatePath))
    assert.match(fingerprint, /^([0-9a-f]{2}:){31}[0-9a-f]{2}$/)
  })

  test('never overwrites a certificate whose key is missing', async () => {
    await writeFile(options('b').certificatePath, 'x')
    const made = loadOrCreateCertificate(nodeFileSystem, options('b'))
    await assert.rejects(made, { code: 'CERTIFICATE_UNREADABLE' })
  })

  test('refuses a key that belongs to another certificate', async () => {
    const a = await loadOrCreateCertificate(nodeFileSystem, options('a'))
    const c = await loadOrCreateCertificate(nodeFileSystem, options('c'))
    await writeFile(options('d').certificatePath, a.certificatePem)
    await writeFile(options('d').keyPath, c.keyPem)
    const made = loadOrCreateCertificate(nodeFileSystem, options('d'))
    await assert.rejects(made, { code: 'CERTIFICATE_UNREADABLE' })
  })
})
