/** Hears what a service says on its notification socket, as systemd does, and what the pid file says at that moment. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** The barrier's descriptor is closed once its message has been read, which tells the sender so. */
const SCRIPT = `
import array, json, os, socket, struct, sys
path, pid_file = sys.argv[1:3]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind(path)
print(json.dumps('listening'), flush=True)
while True:
    data, control, _, _ = s.recvmsg(4096, 1024)
    sender = 0
    received = []
    for level, kind, value in control:
        if kind == socket.SCM_RIGHTS:
            fds = array.array('i')
            fds.frombytes(value[:len(value) - len(value) % fds.itemsize])
            received += fds
        else:
            sender = struct.unpack('3i', value[:12])[0]
    try:
        pid = int(open(pid_file).read())
    except OSError:
        pid = 0
    text = data.decode().split(chr(10))[0]
    print(json.dumps({'text': text, 'pidFile': pid, 'sender': sender}), flush=True)
    for fd in received:
        os.close(fd)
`

export interface Notification {
  /** Its first line. */
  readonly text: string
  /** The pid file's content when it was heard; 0 without one. */
  readonly pidFile: number
  readonly sender: number
}

export class ServiceManagerDouble implements AsyncDisposable {
  readonly socket: string
  readonly heard: Notification[] = []
  readonly #child: ChildProcess
  #news = Promise.withResolvers<void>()

  private constructor(socket: string, child: ChildProcess) {
    this.socket = socket
    this.#child = child
  }

  /** Listens on the new socket `socket`. */
  static async start(socket: string, pidFile: string): Promise<ServiceManagerDouble> {
    const child = spawn('python3', ['-c', SCRIPT, socket, pidFile], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const double = new ServiceManagerDouble(socket, child)
    const lines = createInterface({ input: child.stdout })
    const listening = once(lines, 'line')
    await listening
    lines.on('line', (line) => {
      double.heard.push(JSON.parse(line) as Notification)
      double.#news.resolve()
      double.#news = Promise.withResolvers<void>()
    })
    return double
  }

  /** Resolves when `text` has been heard `count` times. */
  async waitFor(text: string, count = 1): Promise<void> {
    while (this.heard.filter((one) => one.text === text).length < count) await this.#news.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill()
    await ended
  }
}
