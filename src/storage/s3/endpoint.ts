/** Where the requests of a bucket go (datastore-semantics.md 19.1). */

export interface EndpointOptions {
  /** Host, may contain `{{bucket}}` and `{{region}}`. */
  readonly endpoint: string
  /** Null: 443. */
  readonly port: number | null
  readonly region: string
  readonly bucket: string
  readonly pathStyle: boolean
}

export interface ResolvedEndpoint {
  /** Without the bucket, which goes before the host or into the path. */
  readonly url: string
  readonly pathStyle: boolean
  /** Host, port and bucket for messages. */
  readonly place: string
}

/** The address of `options`. Pure. */
export function resolveEndpoint(options: EndpointOptions): ResolvedEndpoint {
  const { bucket, region, pathStyle } = options
  const rendered = options.endpoint
    .trim()
    .replaceAll('{{bucket}}', bucket)
    .replaceAll('{{region}}', region)
  // Whoever sends the request puts the bucket before the host by itself.
  const host = pathStyle ? rendered : rendered.replace(new RegExp(`^${bucket}\\.`), '')
  const port = options.port === null || options.port === 443 ? '' : `:${options.port}`
  const url = `https://${isBareIpv6(host) ? `[${host}]` : host}${port}`
  return { url, pathStyle, place: `bucket '${bucket}' at ${rendered}${port}` }
}

function isBareIpv6(host: string): boolean {
  return host.includes('::') && !host.startsWith('[')
}
