// @ts-check
/**
 * The worker that receives the stream: WebSocket, decoder, and a port to the AudioWorklet. The page's own thread, which may
 * be busy with pictures, has no part in the sound.
 *
 * The page sends `{type: "open", path, port}` and `{type: "close"}`; it is told `{type: "state", connected, codec, dropped}`.
 */
import { LastingSocket } from "./lasting_socket.js";

const PCM = 1;
const HEADER_BYTES = 16;

/** @type {MessagePort|null} */
let port = null;
/** @type {LastingSocket|null} */
let socket = null;
/** @type {any} */
let decoder = null;
/** @type {import("./protocol.js").Format|null} */
let format = null;
let expected = 0; // number of the next packet
let dropped = 0;
let newest = 0;

self.addEventListener("message", (event) => {
  if (event.data.type === "open") {
    port = event.data.port;
    const take = (/** @type {any} */ data) => (typeof data === "string" ? takeText(JSON.parse(data)) : takePacket(data));
    socket = new LastingSocket(event.data.path, take, () => report(false));
  } else if (event.data.type === "close") {
    socket?.close();
  }
});

/** @param {boolean} connected */
function report(connected) {
  self.postMessage({ type: "state", connected, codec: format?.codec, rate: format?.rate, ratio: format?.ratio, dropped });
}

/** @param {import("./protocol.js").Format|import("./protocol.js").StreamGrid} message */
function takeText(message) {
  if (message.type === "format") {
    format = message;
    expected = -1;
    if (decoder && decoder.state !== "closed") decoder.close();
    decoder = message.codec === "opus" ? makeDecoder(message) : null;
    report(true);
  }
  port?.postMessage(message);
}

/** @param {import("./protocol.js").Format} settings */
function makeDecoder(settings) {
  const made = new AudioDecoder({
    output: (sound) => {
      const samples = [];
      for (let c = 0; c < sound.numberOfChannels; c++) {
        const channel = new Float32Array(sound.numberOfFrames);
        sound.copyTo(channel, { planeIndex: c, format: "f32-planar" });
        samples.push(channel);
      }
      // The time stamp is the frame of the packet in microseconds of the stream: back to frames.
      pass((sound.timestamp * settings.rate) / 1e6, samples);
      sound.close();
    },
    error: () => socket?.lose(), // a decoder that has failed decodes no more: the next connection gets another
  });
  made.configure({ codec: "opus", sampleRate: settings.rate, numberOfChannels: settings.channels });
  return made;
}

/** @param {ArrayBuffer} buffer */
function takePacket(buffer) {
  if (!format) return;
  const view = new DataView(buffer);
  const kind = view.getUint8(0);
  const channels = view.getUint8(1);
  const frames = view.getUint16(2, true);
  const number = view.getUint32(4, true);
  const frame = view.getFloat64(8, true);
  if (expected >= 0 && number !== expected) dropped += number - expected;
  expected = number + 1;
  if (frame + frames < newest - 10 * format.rate) port?.postMessage({ type: "restart" }); // another set has begun
  newest = frame + frames;
  if (kind === PCM) {
    const words = new Int16Array(buffer, HEADER_BYTES);
    const samples = Array.from({ length: channels }, () => new Float32Array(frames));
    for (let i = 0; i < frames; i++) for (let c = 0; c < channels; c++) samples[c][i] = words[i * channels + c] / 32768;
    pass(frame, samples);
  } else if (decoder && decoder.state === "configured") {
    // Whole frames before microseconds: else two packets could round to different sides, and leave a hole of one frame.
    const timestamp = Math.round((Math.round(frame) * 1e6) / format.rate);
    decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: new Uint8Array(buffer, HEADER_BYTES) }));
  }
}

/** @param {number} frame @param {Float32Array[]} samples */
function pass(frame, samples) {
  port?.postMessage({ type: "audio", frame, samples }, /** @type {any} */ (samples.map((channel) => channel.buffer)));
}
