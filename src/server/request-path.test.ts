import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { normalisedUrl, parseRequestPath } from './request-path.ts'

suite('parseRequestPath()', () => {
  const api = { kind: 'api', format: 'json' }
  const illegal = { kind: 'refused', status: 400, text: 'path contains illegal components' }
  const unnamed = { kind: 'refused', status: 404, text: "invalid api path '/api2'" }
  const rows = [
    ['/api2/json/version', { ...api, path: '/version' }],
    ['//api2//json///access/ticket/?a=//', { ...api, path: '/access/ticket' }],
    ['/api2/json', { ...api, path: '/' }],
    ['/api2/extjs/', { kind: 'api', format: 'extjs', path: '/' }],
    ['/api2/json/%2ehidden', { ...api, path: '/%2ehidden' }],
    ['/api2/json/.hidden', illegal],
    ['/../etc/passwd', illegal],
    ['/api2', unnamed],
    ['/api2/', unnamed],
    ['/api2/html/x', { kind: 'refused', status: 400, text: "Unsupported output format 'html'." }],
    ['/css/x.css', { kind: 'file', path: 'css/x.css' }],
    ['/', { kind: 'file', path: '' }],
  ] as const
  for (const [url, expected] of rows) {
    test(`reads '${url}'`, () => assert.deepEqual(parseRequestPath(url), expected))
  }

  test('refuses more than 3072 bytes of path and query, the question mark not counted', () => {
    const path = '/api2/json/version'
    const query = 'x'.repeat(3072 - path.length)
    assert.equal(parseRequestPath(`${path}?${query}`).kind, 'api')
    const refusal = { kind: 'refused', status: 414, text: '' }
    assert.deepEqual(parseRequestPath(`${path}?${query}x`), refusal)
  })
})

suite('normalisedUrl()', () => {
  const rows = [
    ['//api2//json/x/?a=%zz', '/api2/json/x?a=%zz'],
    ['/a/%2fb%2F', '/a/%2Fb%2F'],
    ['/a/100%', '/a/100%25'],
    ['/a/%ff', '/a/%EF%BF%BD'],
    ['/a/ver%73ion', '/a/version'],
    ['/', '/'],
  ] as const
  for (const [url, expected] of rows) {
    test(`turns '${url}' into '${expected}'`, () => assert.equal(normalisedUrl(url), expected))
  }
})
