/** Endpoints of S3 stores: reading and changing `s3.cfg` (rest-api.md 4.13). Lock order: `datastore.cfg` before it. */
import type { Secret } from '../base/secret.ts'
import type { ConfigFiles } from './config-files.ts'
import { backendOf } from './datastore-backend.ts'
import { errors } from './errors.ts'
import {
  type EndpointChanges,
  S3_FILE,
  type S3Endpoint,
  type S3EndpointFile,
  type ShownEndpoint,
} from './s3-endpoint-file.ts'
import { propertiesOf, type SectionConfig, sectionsOf } from './section-config.ts'
import { DATASTORE_FILE } from './section-file.ts'

/** All endpoints without their secrets, and the digest of the file. */
export async function listS3Endpoints(
  files: ConfigFiles,
): Promise<{ readonly endpoints: readonly ShownEndpoint[]; readonly digest: string }> {
  const { value, digest } = await files.read(S3_FILE)
  return { endpoints: value.shown(), digest }
}

/** The endpoint, secret included, or null. Errors: S3_ENDPOINT_INVALID. */
export async function findS3Endpoint(files: ConfigFiles, id: string): Promise<S3Endpoint | null> {
  const { value } = await files.read(S3_FILE)
  return value.find(id)
}

/** Errors: S3_ENDPOINT_UNKNOWN, S3_ENDPOINT_INVALID. */
export async function readS3Endpoint(files: ConfigFiles, id: string): Promise<S3Endpoint> {
  const endpoint = await findS3Endpoint(files, id)
  if (endpoint === null) throw errors.S3_ENDPOINT_UNKNOWN({ id, status: 400 })
  return endpoint
}

/** Adds an endpoint; one that could not be read back is not written. Errors: S3_ENDPOINT_EXISTS, S3_ENDPOINT_INVALID. */
export async function addS3Endpoint(
  files: ConfigFiles,
  id: string,
  given: EndpointChanges & { readonly secretKey: Secret },
): Promise<void> {
  await files.update(S3_FILE, (file) => {
    if (file.ids.includes(id)) throw errors.S3_ENDPOINT_EXISTS({ id })
    return checked(file.with(id, given), id)
  })
}

/** Errors: S3_ENDPOINT_UNKNOWN, S3_ENDPOINT_INVALID, CONFIG_MODIFIED. */
export async function changeS3Endpoint(
  files: ConfigFiles,
  id: string,
  changes: EndpointChanges,
  options: { readonly digest?: string | undefined } = {},
): Promise<void> {
  const change = (file: S3EndpointFile): S3EndpointFile => {
    if (!file.ids.includes(id)) throw errors.S3_ENDPOINT_UNKNOWN({ id, status: 400 })
    return checked(file.with(id, changes), id)
  }
  await files.update(S3_FILE, change, options)
}

/** Errors: S3_ENDPOINT_MISSING, S3_ENDPOINT_IN_USE, CONFIG_MODIFIED. */
export async function removeS3Endpoint(
  files: ConfigFiles,
  id: string,
  options: { readonly digest?: string | undefined } = {},
): Promise<void> {
  // Nobody begins to use it meanwhile: a datastore is added under this lock.
  await files.update(DATASTORE_FILE, async (datastores) => {
    const remove = (file: S3EndpointFile): S3EndpointFile => {
      if (!file.ids.includes(id)) throw errors.S3_ENDPOINT_MISSING({ id })
      const store = userOf(datastores, id)
      if (store !== null) throw errors.S3_ENDPOINT_IN_USE({ id, store })
      return file.without(id)
    }
    await files.update(S3_FILE, remove, options)
    return datastores
  })
}

function checked(file: S3EndpointFile, id: string): S3EndpointFile {
  file.find(id)
  return file
}

/** The first datastore that says it needs the endpoint, or null. */
function userOf(datastores: SectionConfig, id: string): string | null {
  const user = sectionsOf(datastores, 'datastore').find((section) => {
    const backend = backendOf(propertiesOf(section).get('backend'))
    // One that cannot be read may be meant to use it.
    return backend.kind === 'invalid'
      ? backend.text.includes(id)
      : backend.kind === 's3' && backend.endpointId === id
  })
  return user?.id ?? null
}
