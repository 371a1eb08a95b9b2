"""The studio: a composition in, three stereo stems out, mixed and mastered."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.train.compose.character import Sound
from tools.train.compose.composition import Composition
from tools.train.compose.performance import Track
from tools.train.compose.tempo import BEATS, loop_frames
from tools.train.studio import dynamics, inserts, master, space
from tools.train.studio.kernels import RATE
from tools.train.studio.kits import Kit
from tools.train.studio.mixes import MIXES, SPECTRA, Mix
from tools.train.studio.patches import patch_for
from tools.train.studio.players import kicks_of, play_drums, play_patch, play_soundfont
from tools.train.studio.soundfont import SoundFont
from tools.train.studio.space import Spectrum
from tools.train.studio.synth import Patch, Plucked

Loop = NDArray[np.float32]
Rng = np.random.Generator

STEMS = ("drums", "bass", "harmony")
STEM_OF = {"drums": 0, "bass": 1, "comp": 2, "lead": 2}
_TRACK_DB = -20.0  # loudness of a track at level 0 while it plays; only the balance matters here
_LEAST_SIDE_DB = {"drums": -17.0, "bass": -26.0, "comp": -8.0, "lead": -15.0}  # of a channel, against its mid
_SEND_DB = 5.0  # all rooms
_DRUMS_DB = 2.0  # strokes are short: their blocks must be louder than those of a held note
_MONOPHONIC = frozenset({"acid bass", "sub bass", "saw lead", "square lead", "whistle", "synth bass"})


@dataclass
class Channel:
    """One track in the mixer: its dry sound, what it sends to the room, and how it is placed."""

    part: str
    word: str
    dry: Loop
    send: Loop | None = None
    reverb: tuple[str, float, float] = ("room", 0.5, -60.0)
    echo: tuple[float, float, float] = (0.75, 0.3, -60.0)
    equaliser: list[tuple[str, float, float]] = field(default_factory=list)
    width: float = 1.0


class Studio:
    """Renders compositions with one soundfont; belongs to one process and one thread."""

    def __init__(self, soundfont: Path) -> None:
        self._font = SoundFont(soundfont)

    def close(self) -> None:
        """Free the soundfont."""
        self._font.close()

    def render(self, piece: Composition) -> Loop:
        """The loop's stems ``(3, 2, frames) float32`` in the order ``STEMS``; their sum is the mix at -14 LUFS.

        ``frames`` is ``loop_frames(bpm)``. A part that does not play is silence. Equal pieces give equal samples.
        """
        frames = loop_frames(piece.bpm)
        mix = MIXES[piece.genre]
        spectra = np.zeros((3, 2, frames // 2 + 1), np.complex64)
        for track in piece.tracks:
            # Loops of one composition (compositions that know their ``origin``) are played by the same instruments.
            rng = np.random.default_rng([getattr(piece, "origin", piece.seed), zlib.crc32(track.part.encode())])
            channel = self._channel(piece, track, mix, rng, frames)
            spectra[STEM_OF[track.part]] += _in_the_room(channel, piece.sound, mix, frames)
        stems = space.loop_of(spectra, frames)
        used = [bool(any(STEM_OF[track.part] == i for track in piece.tracks)) for i in range(3)]
        rng = np.random.default_rng([getattr(piece, "origin", piece.seed), 4])
        self._duck(stems, piece, mix, rng)
        for name, stem, here in zip(STEMS, stems, used, strict=True):
            if here:
                stem[:] = _processed(stem, piece.sound, mix.warmth, drums=name == "drums")
        return _mastered(stems, piece, mix, rng)

    def _channel(self, piece: Composition, track: Track, mix: Mix, rng: Rng, frames: int) -> Channel:
        if track.part == "drums":
            kicks = max(sum(note.pitch in (35, 36) for note in track.notes), 4)
            kit = Kit(track.word, track.program, rng, self._font, kick_seconds=6.0 * 60.0 / piece.bpm / kicks,
                      hard=mix.hard, hybrid=mix.hybrid)  # fmt: skip
            dry, send = play_drums(kit, track, frames)
            level = _TRACK_DB + _DRUMS_DB + track.level_db + mix.drums_db - active_level_db(dry, "drums")
            gain = np.float32(10.0 ** (level / 20.0))
            return Channel("drums", track.word, dry * gain, send * gain * np.float32(1.6), mix.drum_room)
        patch = patch_for(track.word, piece.genre, rng, electronic=mix.electronic, beat_frames=frames / BEATS)
        if patch is None:
            dry = play_soundfont(self._font, track, frames)
        else:
            dry = self._by_patch(patch, piece, track, rng, frames)
        dry = inserts.effects(dry, track.word, piece.genre, rng, synthetic=patch is not None, electronic=mix.electronic)
        level = _TRACK_DB + track.level_db + (mix.bass_db if track.part == "bass" else 0.0)
        dry *= np.float32(10.0 ** (min(level - active_level_db(dry, track.part), 40.0) / 20.0))
        channel = Channel(track.part, track.word, dry)
        if track.part != "bass":
            room, seconds, send_db = mix.hall
            channel.reverb = (
                room,
                seconds,
                send_db - 1.5 + rng.uniform(-2.0, 2.0) - (2.0 if track.part == "comp" else 0.0),
            )
            beats, feedback, echo_db = mix.echo
            channel.echo = (beats, feedback, echo_db - (6.0 if track.part == "comp" else 0.0))
            low = 70.0 if track.word == "distorted guitar" else 95.0 if track.part == "lead" else 110.0
            channel.equaliser = [("high-pass", low, 2.0)]
            channel.width = 0.55 if track.part == "lead" else 1.5
        else:
            channel.equaliser = [("high-pass", 28.0, 4.0)]
            channel.width = 0.5
        return channel

    def _by_patch(self, patch: Patch, piece: Composition, track: Track, rng: Rng, frames: int) -> Loop:
        seed = int(rng.integers(2**31))
        if track.word == "distorted guitar" and track.part == "comp" and isinstance(patch, Plucked):
            # The softer half of a riff's strokes is muted by the palm.
            middle = float(np.median([note.velocity for note in track.notes])) / 127.0
            patch = replace(patch, mute_below=middle if len(track.notes) > 16 else 0.3)
        takes = [play_patch(patch, track.notes, frames, seed, mono=track.word in _MONOPHONIC)]
        if track.word not in inserts.AMPLIFIED:
            return takes[0]
        if track.part == "comp" and (track.word == "distorted guitar" or rng.random() < 0.3):  # played twice
            again = play_patch(patch, track.notes, frames, seed + 1)
            takes.append(np.roll(again, int(rng.uniform(0.004, 0.014) * RATE), axis=1))
        return inserts.guitar(takes, inserts.amplifier_for(track.word, piece.genre, rng))

    def _duck(self, stems: Loop, piece: Composition, mix: Mix, rng: Rng) -> None:
        """The kick presses bass and harmony: by the genre's habit, or hard with 'pumping', which needs no drums."""
        frames = stems.shape[-1]
        drums = next((track for track in piece.tracks if track.part == "drums"), None)
        kicks = kicks_of(drums, frames)
        depth = mix.pump * rng.uniform(0.6, 1.2)
        if piece.sound.pump:
            depth = piece.sound.pump
            if len(kicks) < 4:  # the pump goes on without a kick, on every beat
                kicks = [(round(beat * frames / BEATS), 1.0) for beat in range(BEATS)]
        if depth and kicks:
            release = (mix.pump_beats + (0.15 if piece.sound.pump else 0.0)) * frames / BEATS
            gain = dynamics.sidechain(frames, kicks, depth, release)
            stems[1:] *= gain


def active_level_db(dry: Loop, part: str) -> float:
    """RMS of a track while it plays: 50 ms blocks more than 20 dB below the loudest do not count.

    The harmony is weighted as the ear does, roughly: treble counts more than what lies below 300 Hz.
    """
    mono = dry.mean(axis=0)
    if part in ("comp", "lead"):
        mono = mono - 0.85 * np.roll(mono, 1)
        mono *= np.float32(2.6)
    size = int(0.05 * RATE)
    power = np.mean(mono[: len(mono) // size * size].reshape(-1, size) ** 2, axis=1)
    return 10.0 * float(np.log10(np.mean(power[power >= 0.01 * power.max()]) + 1e-12))


def _in_the_room(channel: Channel, sound: Sound, mix: Mix, frames: int) -> Spectrum:
    """The channel's spectra with its equaliser, width, reverb and echo; all of it linear, in one pass."""
    hz = space.frequencies(frames)
    dry = space.spectrum(channel.dry)
    if channel.width != 1.0:
        mid, side = 0.5 * (dry[0] + dry[1]), np.float32(0.5 * channel.width) * (dry[0] - dry[1])
        dry = np.stack((mid + side, mid - side))
    for kind, at, value in channel.equaliser:
        dry *= space.high_pass(hz, at, int(value)) if kind == "high-pass" else space.bell(hz, at, value)
    dry = _widened(dry, _LEAST_SIDE_DB[channel.part], frames)
    send = space.spectrum(channel.send) if channel.send is not None else dry
    out = dry.copy()
    (room, seconds, send_db), dampened = channel.reverb, sound.room == 0.0
    if sound.reverb_wet:  # dreamy and spacious: a hall for everything but the bass, whatever the genre
        dreamy, drums = sound.reverb_wet > 0.5, channel.part == "drums"
        wet_db = (-1.5 if drums else 4.5) if dreamy else (0.0 if drums else 2.5)
        room, seconds = "hall", max(sound.reverb_seconds * (0.7 if drums else 1.0), seconds)
        send_db = max(send_db, wet_db - (20.0 if channel.part == "bass" else 0.0))
        send = dry * space.high_pass(hz, 450.0) if drums else send  # brushes on a snare would fill the hall
        level = np.float32(1.0 / np.sqrt(1.0 + 10.0 ** ((send_db + _SEND_DB) / 10.0)))  # a tail, not more of the part
        dry, send, out = level * dry, level * send, level * out
    send_db += _SEND_DB
    if send_db > -50.0 and not dampened:
        out += np.float32(10.0 ** (send_db / 20.0)) * send * space.reverb(frames, room, round(seconds * 10))
    beats, feedback, echo_db = channel.echo
    if sound.echo_wet:
        beats, feedback = sound.echo_beats, sound.echo_feedback
        echo_db = 20.0 * np.log10(sound.echo_wet) + 2.0 - (7.0 if channel.part in ("drums", "bass") else 0.0)
    if echo_db > -50.0 and not (dampened and not sound.echo_wet):
        same, other = space.echo(frames, beats, feedback)
        out += np.float32(10.0 ** (echo_db / 20.0)) * (same * dry + other * dry[::-1])
    return out


def _widened(dry: Spectrum, least_db: float, frames: int) -> Spectrum:
    """A channel that is all but mono gets a side, made of its mid by early reflections; the mid does not change."""
    mid, side = 0.5 * (dry[0] + dry[1]), 0.5 * (dry[0] - dry[1])
    lacking = 10.0 ** (least_db / 10.0) - float(np.sum(np.abs(side) ** 2)) / (float(np.sum(np.abs(mid) ** 2)) + 1e-12)
    if lacking <= 0.0:
        return dry
    side = side + np.float32(np.sqrt(lacking)) * space.reflections(frames) * mid
    return np.stack((mid + side, mid - side))


def _processed(stem: Loop, sound: Sound, warmth: float, *, drums: bool) -> Loop:
    """Saturation, punch and crushing of one stem; a kick below 110 Hz stays clean, or it would become a drone."""
    drive = warmth + 1.2 * sound.drive
    if sound.punch:
        stem = stem * dynamics.transients(stem, 0.7 * sound.punch)
    if drive > 0.3:
        frames = stem.shape[1]
        low = np.zeros_like(stem)
        if drums and sound.drive:
            low = space.loop_of(space.spectrum(stem) * space.low_pass(space.frequencies(frames), 110.0, 4), frames)
        stem = low + dynamics.saturated(stem - low, drive, asymmetry=0.15)
    if sound.crush_bits:
        peak = float(np.abs(stem).max()) + 1e-6
        levels = 2.0 ** (sound.crush_bits - 1)
        held = stem[:, np.arange(stem.shape[1]) // 3 * 3]  # every third sample: 14.7 kHz
        stem = np.round(held / peak * levels) / np.float32(levels) * np.float32(peak)
    return np.asarray(stem, np.float32)


def _mood_gain(hz: space.Gain, sound: Sound) -> space.Gain:
    gain = np.ones_like(hz)
    if sound.low_shelf_db:
        gain = gain * space.shelf(hz, 220.0, sound.low_shelf_db, high=False)
    if sound.high_shelf_db:
        gain = gain * space.shelf(hz, 2600.0, sound.high_shelf_db, high=True)
    if sound.highpass_hz:
        gain = gain * space.high_pass(hz, sound.highpass_hz, 4)
    if sound.lowpass_hz:
        gain = gain * space.low_pass(hz, sound.lowpass_hz, int(2 * sound.lowpass_order))
    return gain


def _mastered(stems: Loop, piece: Composition, mix: Mix, rng: Rng) -> Loop:
    """Tilt, mood equaliser, width, bus compression and loudness: the same for all stems, so that they add up."""
    frames = stems.shape[-1]
    hz = space.frequencies(frames)
    spectra = space.spectrum(stems)
    together = spectra.sum(axis=0)
    full = len({STEM_OF[track.part] for track in piece.tracks}) == 3
    gain = master.tilt(together, hz, SPECTRA[mix.spectrum], 0.85 if full else 0.4, 8.0 if full else 4.0)
    gain = gain * _mood_gain(hz, piece.sound) * space.high_pass(hz, 24.0, 4)
    gain = gain * space.low_pass(hz, 20200.0, 40)
    together = together * gain
    side = master.side_gain(together, hz, mix.side_db + rng.uniform(-1.0, 1.0)) * gain
    mid_part, side_part = 0.5 * gain * (spectra[:, 0] + spectra[:, 1]), 0.5 * side * (spectra[:, 0] - spectra[:, 1])
    stems = space.loop_of(np.stack((mid_part + side_part, mid_part - side_part), axis=1), frames)
    together = stems.sum(axis=0)
    level = float(np.sqrt(np.mean(together**2))) + 1e-9
    ratio, above_db = mix.bus
    bus = dynamics.compressor(together, level * 10.0 ** (above_db / 20.0), ratio, 0.012, 0.14)
    loud = _loud(stems * bus)
    safe = master.narrowed(loud)
    return loud if safe is loud else _loud(safe)  # what was narrowed has lost some loudness


def _loud(stems: Loop) -> Loop:
    gain = master.loudness_gain(stems.sum(axis=0), np.abs(stems).max(axis=(0, 1)))
    return np.asarray(stems * gain, np.float32)
