/** CONNECT through an HTTP proxy, so that TLS runs end to end behind it. */
import type { Socket } from 'node:net'

export interface ProxyTarget {
  readonly host: string
  readonly port: number
  /** Value of `Proxy-Authorization`, if the proxy wants one. */
  readonly authorization?: string | undefined
}

/** A socket to `host:port` behind `proxy`. Rejects with a plain Error. */
export async function openProxyTunnel(
  proxy: ProxyTarget,
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<Socket> {
  // Loaded late: with it comes all of Node's fetch.
  const http = await import('node:http')
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const request = http.request({
    host: proxy.host,
    port: proxy.port,
    method: 'CONNECT',
    path: authority,
    signal,
    agent: false,
    headers: {
      host: authority,
      ...(proxy.authorization ? { 'proxy-authorization': proxy.authorization } : {}),
    },
  })
  request.once('error', reject)
  request.once('connect', (response, socket, head) => {
    if (response.statusCode !== 200) {
      socket.destroy()
      reject(new Error(`the proxy answered ${response.statusCode} to CONNECT`))
      return
    }
    if (head.length > 0) socket.unshift(head)
    resolve(socket)
  })
  request.end()
  return await promise
}
