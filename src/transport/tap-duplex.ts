/** A TLS socket as a stream that is fed by somebody else: writes, the end and errors go through, reads do not. */
import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

/** Pieces are pushed into the result by the caller, its end by the socket. */
export function tapDuplex(socket: TLSSocket): Duplex {
  const duplex = new Duplex({
    read: () => void socket.resume(),
    // All that Node writes in one go stays together: other frames may come between, never into one.
    writev: (pieces, done) => {
      socket.write(Buffer.concat(pieces.map(({ chunk }) => chunk as Buffer)), done)
    },
    write: (piece: Buffer, _encoding, done) => void socket.write(piece, done),
    final: (done) => void socket.end(done),
    destroy: (error, done) => {
      socket.destroy(error ?? undefined)
      done(error)
    },
  })
  socket.once('end', () => duplex.push(null))
  socket.on('error', (error) => duplex.destroy(error))
  socket.once('close', () => duplex.destroy())
  return duplex
}
