// @ts-check
/** The columns of what is heard, from the server. */
import { LastingSocket } from "./lasting_socket.js";

const HEADER_BYTES = 16;

/** @param {(first: number, levels: Uint8Array) => void} received */
export function spectrumSocket(received) {
  return new LastingSocket("/ws/spectrum", (data) => {
    received(new DataView(data).getFloat64(8, true), new Uint8Array(data, HEADER_BYTES));
  });
}
