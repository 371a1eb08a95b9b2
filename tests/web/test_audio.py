"""What listeners get: packets, streams and the beat grid, by the bytes that come over the wire."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
import soundfile
from aiohttp import ClientWebSocketResponse, WSMsgType

from riffengine.transport.beat_grid import BeatGrid
from riffengine.web.encoders import OpusEncoder, PcmEncoder, opus_library, to_pcm16
from riffengine.web.feeds import Listener
from riffengine.web.ogg import OggOpusEncoder, crc32_ogg, page
from riffengine.web.packets import HEADER, OPUS, PCM
from riffengine.web.stream_encoders import FileStreamEncoder
from tests.web.site import RATE, run, site

needs_opus = pytest.mark.skipif(opus_library() is None, reason="this machine has no libopus")


def music(seconds: float, seed: int = 0) -> np.ndarray[Any, Any]:
    """A chord with noise: nothing that a codec can predict to the end."""
    time = np.arange(round(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * hz * time) for hz in (220.0, 277.2, 329.6)) * 0.15
    noise = 0.02 * np.random.default_rng(seed).standard_normal((len(time), 2))
    return (chord[:, None] + noise).astype(np.float32)


def pulse(seconds: float, at: int) -> np.ndarray[Any, Any]:
    sound = np.zeros((round(seconds * RATE), 2), np.float32)
    sound[at : at + 40] = 0.8 * np.hanning(40)[:, None]
    return sound


async def packets(wire: ClientWebSocketResponse, count: int) -> list[tuple[tuple[Any, ...], bytes]]:
    found = []
    while len(found) < count:
        message = await wire.receive()
        if message.type is WSMsgType.BINARY:
            found.append((HEADER.unpack(message.data[: HEADER.size]), message.data[HEADER.size :]))
    return found


def test_pcm_packets_are_the_output_to_the_bit_and_say_which_frames_they_hold() -> None:
    async def body() -> None:
        async with site() as web:
            sound = music(1.0)
            web.play(sound[:5120])  # before anybody listens
            wire = await web.client.ws_connect(f"{web.url}/ws/audio?codec=pcm")
            format_, grid = json.loads((await wire.receive()).data), json.loads((await wire.receive()).data)
            assert (format_["codec"], format_["rate"], format_["ratio"], format_["packet_frames"]) == (
                "pcm",
                RATE,
                1,
                441,
            )
            assert grid["loop_frames"] == 8 * 22050
            web.play(sound[5120:])
            got = await packets(wire, 80)
            for number, ((kind, channels, frames, counted, frame), payload) in enumerate(got):
                assert (kind, channels, frames, counted, frame) == (PCM, 2, 441, number, 5120 + 441 * number)
                assert payload == to_pcm16(sound[int(frame) : int(frame) + 441])
            await wire.close()

    run(body)


@needs_opus
@pytest.mark.parametrize("rate", [44100, 48000])
def test_opus_frame_numbers_place_a_pulse_to_within_a_millisecond(rate: int) -> None:
    """Decoded as a browser does, by libopus, and put where the packets say: the look-ahead is taken off."""
    library: Any = opus_library()
    encoder, at = OpusEncoder(rate, 2), 12345
    encoder.restart(1_000_000)
    sound = pulse(1.0, at)
    decoder = library.Decoder(48000, 2)
    ring = np.zeros((60000, 2), np.float32)
    begin = 1_000_000 * 48000 / rate
    for piece in np.array_split(sound, 37):
        for packet in encoder.encode(piece):
            kind, channels, frames, _, frame = HEADER.unpack(packet.data[: HEADER.size])
            assert (kind, channels, frames) == (OPUS, 2, 960)
            decoded = np.frombuffer(decoder.decode_float(packet.data[HEADER.size :], 960), np.float32).reshape(960, 2)
            place = round(frame - begin)
            ring[max(0, place) : place + 960] = decoded[max(0, -place) :]
    found = np.argmax(np.abs(ring[:, 0]))
    assert abs(found - (at + 19.5) * 48000 / rate) < 48


def test_a_gap_of_the_output_is_a_gap_of_the_frame_numbers() -> None:
    for encoder in [PcmEncoder(RATE, 2), *([OpusEncoder(RATE, 2)] if opus_library() else [])]:
        encoder.restart(0)
        before = encoder.encode(music(0.5))
        encoder.restart(10 * RATE)
        after = encoder.encode(music(0.5))
        gap = after[0].frame - (before[-1].frame + before[-1].frames)
        assert 9.4 * encoder.rate < gap < 9.6 * encoder.rate


@pytest.mark.parametrize("ending", ["mp3", pytest.param("ogg", marks=needs_opus)])
def test_a_stream_that_is_joined_late_can_be_played(ending: str) -> None:
    """libsndfile reads what a player would get; its samples are those that were played then."""

    async def body() -> None:
        async with site() as web:
            sound = music(8.0)
            async with web.client.get(f"{web.url}/stream.{ending}") as early:
                await web.client.get(f"{web.url}/api/welcome")
                web.play(sound[: 4 * RATE])
                await early.content.read(1000)
                async with web.client.get(f"{web.url}/stream.{ending}") as late:
                    web.play(sound[4 * RATE :])
                    data = bytearray()
                    while len(data) < 30_000:
                        data += await late.content.readany()
                    late.close()
                early.close()
            decoded, rate = soundfile.read(io.BytesIO(bytes(data)), dtype="float32", always_2d=True)
            assert rate == (48000 if ending == "ogg" else RATE)
            assert len(decoded) > rate // 2
            assert 0.1 < np.sqrt((decoded[rate // 4 :] ** 2).mean()) < 0.3

    run(body)


def crc16(data: bytes) -> int:
    """The checksum at the end of a FLAC frame, RFC 9639: 0 over a whole frame."""
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = ((value << 1) ^ 0x8005 if value & 0x8000 else value << 1) & 0xFFFF
    return value


def test_flac_is_passed_on_in_whole_frames_so_that_a_late_player_begins_with_one() -> None:
    """libsndfile cannot read a stream whose first frame has a number above 0; Chromium plays it in a wire test."""
    encoder = FileStreamEncoder("FLAC", RATE, 2)
    pieces = [packet.data for piece in np.array_split(music(1.0), 50) for packet in encoder.encode(piece)]
    assert len(pieces) >= RATE // 4096
    for piece in pieces:
        assert piece[:2] == b"\xff\xf8" and crc16(piece) == 0


@pytest.mark.parametrize("rate", [44100, 48000])
def test_mp3_is_passed_on_in_whole_frames(rate: int) -> None:
    encoder = FileStreamEncoder("MP3", rate, 2)
    pieces = [packet.data for piece in np.array_split(music(2.0), 50) for packet in encoder.encode(piece)]
    assert len(pieces) > 60
    assert {piece[:2] for piece in pieces} == {b"\xff\xfb"}
    assert 185_000 < 8 * sum(map(len, pieces)) / (len(pieces) * 1152 / rate) < 200_000  # bits a second


def test_the_grid_is_told_in_frames_of_the_stream_and_a_new_tempo_resets_the_history() -> None:
    async def body() -> None:
        async with site() as web:
            wire = await web.client.ws_connect(f"{web.url}/ws/audio?codec=opus")
            ratio = json.loads((await wire.receive()).data)["ratio"]
            await wire.receive()
            for grid, reset in ((BeatGrid(RATE, 120.0, 44100, 2.0), False), (BeatGrid(RATE, 90.0, 88200, 4.0), True)):
                web.show(grid)
                told = json.loads((await wire.receive()).data)
                assert told["frame"] == pytest.approx(grid.anchor_frame * ratio)
                assert told["loop_frames"] == pytest.approx(8 * 60 / grid.bpm * RATE * ratio)
                assert (told["beat"], told["bpm"], told["reset"]) == (grid.anchor_beat, grid.bpm, reset)
            await wire.close()

    run(body)


def test_a_listener_that_does_not_read_keeps_two_seconds_and_loses_the_oldest() -> None:
    got: list[bytes | str] = []

    async def body() -> None:
        listener = Listener(100, 10.0)
        for number in range(1000):
            listener.put(b"%d" % number)
        assert (listener.waiting, listener.dropped) == (100, 900)

        async def send(data: bytes | str) -> None:
            got.append(data)
            if not listener.waiting:
                listener.end()

        await listener.run(send)

    run(body)
    assert got == [b"%d" % number for number in range(900, 1000)]


def test_codecs_are_made_once_for_all_listeners_and_not_at_all_without_any() -> None:
    async def body() -> None:
        async with site() as web:
            wires = [await web.client.ws_connect(f"{web.url}/ws/audio?codec=pcm") for _ in range(5)]
            web.play(music(0.5))
            got = [await packets(wire, 20) for wire in wires]
            assert all(one == got[0] for one in got)
            feeds = web.server._audio.feeds
            assert len(feeds) == 5
            for wire in wires:
                await wire.close()
            assert len(feeds) == 0
            assert feeds._feeds["pcm"].encoder is None

    run(body)


def test_an_ogg_page_is_that_of_the_specification() -> None:
    made = page(bytes(600), 7, 960)
    assert made[:4] == b"OggS" and made[26] == 3 and made[27:30] == bytes([255, 255, 90])
    assert crc32_ogg(b"123456789") == 0x89A1897F  # CRC-32 with this polynomial, from 0, as tables of checksums list it
    blank = made[:22] + bytes(4) + made[26:]
    assert int.from_bytes(made[22:26], "little") == crc32_ogg(blank)


@needs_opus
def test_heads_are_what_a_late_client_needs() -> None:
    assert FileStreamEncoder("FLAC", RATE, 2).head.startswith(b"fLaC")
    assert FileStreamEncoder("MP3", RATE, 2).head == b""
    assert b"OpusHead" in OggOpusEncoder(RATE, 2).head
