import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type EndpointOptions, resolveEndpoint } from './endpoint.ts'

const BASE = { port: null, region: 'eu-1', bucket: 'pbs', pathStyle: false }

suite('resolveEndpoint()', () => {
  const table: [string, Partial<EndpointOptions>, string][] = [
    ['{{bucket}}.s3.{{region}}.example.com', {}, 'https://s3.eu-1.example.com'],
    ['s3.example.com', {}, 'https://s3.example.com'],
    ['s3.example.com', { port: 443 }, 'https://s3.example.com'],
    ['s3.example.com', { port: 8443, pathStyle: true }, 'https://s3.example.com:8443'],
    ['{{bucket}}.s3.example.com', { pathStyle: true }, 'https://pbs.s3.example.com'],
    ['fd00::1', { pathStyle: true, port: 9000 }, 'https://[fd00::1]:9000'],
  ]
  for (const [endpoint, options, url] of table) {
    test(`${endpoint} ${JSON.stringify(options)}`, () => {
      assert.equal(resolveEndpoint({ ...BASE, endpoint, ...options }).url, url)
    })
  }

  test('place names bucket, host and port', () => {
    const { place } = resolveEndpoint({ ...BASE, endpoint: '{{bucket}}.s3.example.com', port: 1 })
    assert.equal(place, "bucket 'pbs' at pbs.s3.example.com:1")
  })
})
