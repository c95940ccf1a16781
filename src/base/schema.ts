/**
 * The few builders of JSON schemas that we need, with TypeBox's types: its own code is hundreds of modules, which took a
 * fifth of a second of each start.
 */
import type TypeBox from 'typebox'

type Builder =
  | 'Array'
  | 'Boolean'
  | 'Enum'
  | 'Integer'
  | 'Intersect'
  | 'Null'
  | 'Number'
  | 'Object'
  | 'Optional'
  | 'Record'
  | 'String'
  | 'Union'

type Schema = Readonly<Record<string, unknown>>

/** Marks a schema as that of a property that may be missing; not part of the schema's text. */
const OPTIONAL = '~optional'

/** As TypeBox's `Type`: each makes a plain JSON schema; options are added to it. */
export const Type = {
  Array: (items: Schema, options?: Schema) => ({ type: 'array', items, ...options }),
  Boolean: (options?: Schema) => ({ type: 'boolean', ...options }),
  Enum: (values: readonly unknown[], options?: Schema) => ({ enum: values, ...options }),
  Integer: (options?: Schema) => ({ type: 'integer', ...options }),
  Intersect: (schemas: readonly Schema[], options?: Schema) => ({ allOf: schemas, ...options }),
  Null: (options?: Schema) => ({ type: 'null', ...options }),
  Number: (options?: Schema) => ({ type: 'number', ...options }),
  Object: makeObject,
  Optional: (schema: Schema) =>
    Object.defineProperty({ ...schema }, OPTIONAL, { value: true, enumerable: false }),
  Record: (_key: Schema, value: Schema, options?: Schema) => ({
    type: 'object',
    patternProperties: { '^.*$': value },
    ...options,
  }),
  String: (options?: Schema) => ({ type: 'string', ...options }),
  Union: (schemas: readonly Schema[], options?: Schema) => ({ anyOf: schemas, ...options }),
} as unknown as Pick<typeof TypeBox, Builder>

/** Required are the properties that are not optional; an empty list is left out. */
function makeObject(properties: Readonly<Record<string, Schema>>, options?: Schema): Schema {
  const required = Object.keys(properties).filter((name) => !isOptional(properties[name]))
  const named = required.length === 0 ? {} : { required }
  return { type: 'object', ...named, properties, ...options }
}

function isOptional(schema: Schema | undefined): boolean {
  return schema !== undefined && Object.hasOwn(schema, OPTIONAL)
}
