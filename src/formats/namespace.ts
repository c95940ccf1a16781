/** Namespaces: a path of at most seven names that separates groups inside one datastore (formats.md 9.2). */
import { errors } from './errors.ts'
import { SAFE_ID } from './safe-id.ts'

declare const brand: unique symbol

/** Names joined by `/`, root is the empty text; only `parseNamespace` and `joinNamespace` make one. */
export type NamespacePath = string & { readonly [brand]: 'NamespacePath' }

export const NAMESPACE_DEPTH_MAX = 7
/** Characters of the text form, slashes included. */
export const NAMESPACE_LENGTH_MAX = 256

export const ROOT_NAMESPACE = '' as NamespacePath

/**
 * Checks `text` (`a/b`, empty for root).
 * Throws NAMESPACE_COMPONENT_INVALID, NAMESPACE_TOO_DEEP, NAMESPACE_TOO_LONG with stock's texts.
 */
export function parseNamespace(text: string): NamespacePath {
  if (text === '') return ROOT_NAMESPACE
  let path = ROOT_NAMESPACE
  for (const name of text.split('/')) path = joinNamespace(path, name)
  return path
}

/** The namespace `name` below `parent`; errors as `parseNamespace`. */
export function joinNamespace(parent: NamespacePath, name: string): NamespacePath {
  if (!SAFE_ID.test(name)) throw errors.NAMESPACE_COMPONENT_INVALID({ text: name })
  const depth = namespaceDepth(parent)
  if (depth >= NAMESPACE_DEPTH_MAX) {
    throw errors.NAMESPACE_TOO_DEEP({ depth, depthMax: NAMESPACE_DEPTH_MAX })
  }
  if (parent.length + name.length + 1 > NAMESPACE_LENGTH_MAX) throw errors.NAMESPACE_TOO_LONG({})
  return (parent === '' ? name : `${parent}/${name}`) as NamespacePath
}

/** Its names, outermost first; none for root. */
export function namespaceComponents(namespace: NamespacePath): string[] {
  return namespace === '' ? [] : namespace.split('/')
}

/** Number of names: 0 for root. */
export function namespaceDepth(namespace: NamespacePath): number {
  return namespaceComponents(namespace).length
}

/** The namespace that contains it, or null for root. */
export function parentNamespace(namespace: NamespacePath): NamespacePath | null {
  if (namespace === '') return null
  return namespace.slice(0, Math.max(0, namespace.lastIndexOf('/'))) as NamespacePath
}

/** Whether `namespace` is `ancestor` or lies below it. */
export function isInNamespace(namespace: NamespacePath, ancestor: NamespacePath): boolean {
  return ancestor === '' || namespace === ancestor || namespace.startsWith(`${ancestor}/`)
}

/** Its folder below the datastore's, `ns/a/ns/b`; empty for root. */
export function namespaceFolder(namespace: NamespacePath): string {
  return namespaceComponents(namespace)
    .map((name) => `ns/${name}`)
    .join('/')
}
