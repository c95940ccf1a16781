/** A TCP proxy that resets both sides after a number of bytes from the client: a cable that is pulled. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface CutProxy extends AsyncDisposable {
  readonly port: number
  /** Connections that were cut. */
  readonly cutCount: number
}

/** Forwards to `port`; every connection that carries more than `sizeMax` bytes to the server is cut. */
export async function startCutProxy(port: number, sizeMax: number): Promise<CutProxy> {
  let cutCount = 0
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    let size = 0
    const cut = (): void => {
      client.resetAndDestroy()
      upstream.resetAndDestroy()
    }
    client.on('data', (bytes) => {
      size += bytes.length
      if (size <= sizeMax) {
        if (!upstream.write(bytes)) client.pause()
        return
      }
      cutCount += 1
      cut()
    })
    upstream.on('drain', () => client.resume())
    upstream.pipe(client)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', cut)
      socket.on('close', () => sockets.delete(socket))
    }
    client.on('end', () => upstream.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get cutCount() {
      return cutCount
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
