// @ts-check
/**
 * LastingSocket: a WebSocket to this server that connects again by itself, also where the network has gone without a word, as
 * it does under a phone that slept. The server always has something to say: a socket that is silent is left for another one.
 */
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 3000;
const LOOK_MS = 2000;
const SILENT_LOOKS = 6; // looks and not a time: a page that was busy or stopped has messages waiting, and reads them first

export class LastingSocket {
  /**
   * @param {string} path on this server @param {(data: any) => void} message
   * @param {(heard: boolean) => void} [closed] called after each end; heard: something was received since the last one
   */
  constructor(path, message, closed = () => {}) {
    const url = new URL(path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.url = url.href;
    this.message = message;
    this.closed = closed;
    this.pauseMs = FIRST_PAUSE_MS;
    this.heard = false;
    this.silentLooks = 0; // since the last message
    this.timer = 0;
    /** @type {WebSocket|null} null between two connections */
    this.socket = null;
    this.connect();
    this.watch = setInterval(() => this.look(), LOOK_MS);
  }

  connect() {
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heard = false;
    this.silentLooks = 0;
    socket.addEventListener("message", (event) => {
      if (socket !== this.socket) return;
      this.heard = true;
      this.silentLooks = 0;
      this.pauseMs = FIRST_PAUSE_MS;
      this.message(event.data);
    });
    socket.addEventListener("close", () => socket === this.socket && this.lose());
  }

  look() {
    if (this.socket && ++this.silentLooks > SILENT_LOOKS) this.lose();
  }

  /** Leave this connection, and make another after a pause: longer each time, and not the same for all pages. */
  lose() {
    const { socket, heard } = this;
    if (!socket) return;
    this.socket = null;
    socket.close();
    this.timer = setTimeout(() => this.connect(), this.pauseMs * (0.75 + Math.random() / 2));
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, this.pauseMs * 2);
    this.closed(heard);
  }

  /** Send `text`; false where nobody would get it. @param {string} text */
  send(text) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(text);
    return true;
  }

  /** End for good. */
  close() {
    clearInterval(this.watch);
    clearTimeout(this.timer);
    const { socket } = this;
    this.socket = null;
    socket?.close();
  }
}
