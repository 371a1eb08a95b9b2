// @ts-check
/** SpectrumSocket: the columns of what is heard, from the server; it connects again by itself. */
import { Backoff, socketUrl } from "./protocol.js";

const HEADER_BYTES = 16;

export class SpectrumSocket {
  /** @param {(first: number, levels: Uint8Array) => void} received */
  constructor(received) {
    this.received = received;
    this.backoff = new Backoff();
    this.closed = false;
    /** @type {WebSocket|null} */
    this.socket = null;
    this.connect();
  }

  connect() {
    const socket = new WebSocket(socketUrl("/ws/spectrum"));
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", (event) => {
      this.backoff.reset();
      const head = new DataView(event.data);
      this.received(head.getFloat64(8, true), new Uint8Array(event.data, HEADER_BYTES));
    });
    socket.addEventListener("close", () => {
      if (!this.closed) setTimeout(() => this.closed || this.connect(), this.backoff.next());
    });
    this.socket = socket;
  }

  close() {
    this.closed = true;
    this.socket?.close();
  }
}
