import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { describeApi } from './openapi.ts'
import { ROUTES } from './rest/routes.ts'

type Json = Readonly<Record<string, unknown>>

const TYPES = new Set(['string', 'integer', 'number', 'boolean', 'array', 'object', 'null'])
const VERSION = { version: '4.2', release: '3', repoid: '0'.repeat(40) }
/** What a client sees: the text, parsed again. */
const document = JSON.parse(JSON.stringify(describeApi(ROUTES, VERSION))) as {
  readonly openapi: string
  readonly info: Json
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly parameters: readonly (Json & { name: string; in: string; required: boolean })[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Json }>> }
  readonly responses: Readonly<Record<string, Json>>
}

/** Every operation with its method and path. */
function operations(): [string, string, Operation][] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [
      method,
      path,
      operation,
    ]),
  )
}

/** JSON Schema 2020-12 as far as we use it. */
function checkSchema(schema: unknown, at: string): void {
  assert.ok(typeof schema === 'object' && schema !== null && !Array.isArray(schema), at)
  const { type, properties, required, items, anyOf, pattern, patternProperties } = schema as Json
  if (type !== undefined) assert.ok(typeof type === 'string' && TYPES.has(type), at)
  if (typeof pattern === 'string') assert.doesNotThrow(() => new RegExp(pattern, 'u'), at)
  for (const [name, member] of Object.entries(properties ?? {}))
    checkSchema(member, `${at}.${name}`)
  for (const member of Object.values(patternProperties ?? {})) checkSchema(member, `${at}.*`)
  for (const [index, one] of ((anyOf ?? []) as unknown[]).entries())
    checkSchema(one, `${at}|${index}`)
  if (items !== undefined) checkSchema(items, `${at}[]`)
  for (const name of (required ?? []) as string[]) {
    assert.ok(name in ((properties ?? {}) as Json), `${at}: required '${name}' is not declared`)
  }
}

suite('describeApi()', () => {
  test('is an OpenAPI 3.1 document with a title and a version', () => {
    assert.match(document.openapi, /^3\.1\.\d+$/)
    assert.equal(typeof document.info['title'], 'string')
    assert.equal(document.info['version'], '4.2.3')
  })

  test('has exactly the routed methods and paths', () => {
    const described = operations().map(([method, path]) => `${method.toUpperCase()} ${path}`)
    const routed = ROUTES.map(({ method, path }) => `${method} ${path}`)
    assert.deepEqual(described.toSorted(), routed.toSorted())
    assert.equal(new Set(routed).size, routed.length)
  })

  test('gives each operation an id of its own, a summary and answers', () => {
    const ids = operations().map(([, , { operationId }]) => operationId)
    assert.equal(new Set(ids).size, ids.length)
    for (const [method, path, { summary, responses }] of operations()) {
      assert.ok(summary.length > 0, `${method} ${path}`)
      assert.equal(typeof responses['200']?.['description'], 'string', `${method} ${path}`)
      assert.ok('default' in responses)
    }
  })

  test('declares every path parameter as required and no parameter twice', () => {
    for (const [method, path, { parameters }] of operations()) {
      const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name = '']) => name)
      const declared = parameters.filter((parameter) => parameter.in === 'path')
      assert.deepEqual(declared.map(({ name }) => name).toSorted(), inPath.toSorted())
      assert.ok(declared.every(({ required }) => required))
      const names = parameters.map(({ name }) => name)
      assert.equal(new Set(names).size, names.length, `${method} ${path}`)
    }
  })

  test('has well-formed schemas everywhere', () => {
    for (const [method, path, operation] of operations()) {
      const at = `${method} ${path}`
      for (const parameter of operation.parameters) {
        checkSchema(parameter['schema'], `${at} ${parameter.name}`)
      }
      for (const { schema } of Object.values(operation.requestBody?.content ?? {})) {
        checkSchema(schema, `${at} body`)
      }
      const content = operation.responses['200']?.['content'] as Record<string, Json>
      for (const media of Object.values(content)) checkSchema(media['schema'], `${at} answer`)
    }
  })
})
