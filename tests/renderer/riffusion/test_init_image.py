"""Inits of a loop: audio, pictures, pictures of the package; and masks for the parts that stay."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from riffengine.errors import AudioFileError
from riffengine.processes.render_request import Retake
from riffengine.renderer.checkpoints.noise_schedulers import make_scheduler
from riffengine.renderer.file_hash import packaged_pictures
from riffengine.renderer.riffusion.codec import RiffusionCodec, RiffusionParams
from riffengine.renderer.riffusion.family import RiffusionFamily
from riffengine.renderer.riffusion.init_image import InitReader, InitSource
from riffengine.renderer.riffusion.masks import latent_mask
from riffengine.renderer.riffusion.sampling import MorphNoise, SampleBatch, sample
from riffengine.renderer.riffusion.spectrogram_audio import audio_from_picture
from riffengine.renderer.riffusion.spectrogram_image import read_picture
from tests.renderer.riffusion.checkpoints import BANDS, REQUEST, family, make_checkpoint, never_cancel
from tests.renderer.riffusion.drum_audio import BPM, RATE, kicks

SEEDS = ("broken", "clave", "dawn", "straight", "swing")


def mel(init: str, strength: float, **more: object) -> np.ndarray:  # type: ignore[type-arg]
    start = replace(REQUEST.start, strength=strength)
    return family("scheduler=ddim").render(replace(REQUEST, start=start, init=init, **more), never_cancel).mel  # type: ignore[arg-type]


def test_the_package_has_five_seeds_and_masks() -> None:
    assert tuple(packaged_pictures("seed")) == SEEDS
    assert {"keep-low", "keep-high", "keep-first-bar", "keep-beats", "gradient"} <= set(packaged_pictures("mask"))


@pytest.mark.parametrize("name", SEEDS)
def test_a_packaged_seed_is_a_seamless_loop_of_eight_beats_with_exif(name: str) -> None:
    path = packaged_pictures("seed")[name]
    found = read_picture(path)
    assert (
        found.has_exif
        and found.has_level
        and found.params == replace(RiffusionParams(), max_value=found.params.max_value)
    )
    assert found.image.shape == (1, 512, 512) and path.stat().st_size < 200_000
    steps = np.abs(np.diff(found.image[0], axis=1, append=found.image[0][:, :1])).mean(axis=0)
    assert steps[-1] <= np.percentile(steps, 99)  # the seam is no larger than other steps
    sound, rate = audio_from_picture(found, iterations=2)
    assert (len(sound), rate) == (225_792, 44100)


def test_strength_0_plays_the_seed_and_strength_1_ignores_it(tmp_path: Path) -> None:
    family.cache_clear()  # without the loops that other tests have rendered
    kept = mel("straight", 0.0)
    other = replace(REQUEST.start, prompt="something else", seed=99, strength=0.0)
    again = family("scheduler=ddim").render(replace(REQUEST, start=other, init="straight"), never_cancel).mel
    assert np.array_equal(kept, again)
    assert not np.array_equal(mel("swing", 0.0), kept)
    calls: list[object] = []
    handle = family("scheduler=ddim").networks.unet.register_forward_pre_hook(lambda *_: calls.append(None))
    for strength, steps in ((0.26, 1), (0.51, 2), (0.99, 3), (1.0, 4)):
        calls.clear()
        assert not np.array_equal(mel("straight", strength), kept)
        assert len(calls) == steps
    handle.remove()


def test_a_sound_and_its_picture_start_the_same_loop(tmp_path: Path) -> None:
    found = read_picture(packaged_pictures("seed")["straight"])
    sound, rate = audio_from_picture(found)
    soundfile.write(tmp_path / "song.wav", sound, rate)
    reader = InitReader(RiffusionCodec(RiffusionParams()))
    heard = reader.read(InitSource.parse(str(tmp_path / "song.wav")), 8, 93.75)
    drawn = reader.read(InitSource.parse("straight"), 8, 93.75)
    assert heard.shape == drawn.shape == (1, 1, 512, 512)
    pairs = [
        torch.corrcoef(torch.stack([heard.roll(s, 3).flatten(), drawn.flatten()]))[0, 1] for s in range(0, 512, 32)
    ]
    assert max(map(float, pairs)) > 0.8  # the audio may be cut at another beat


@pytest.mark.parametrize("from_beat", ["", "?from=8"])
def test_stereo_audio_keeps_its_channels_and_mono_gets_two(from_beat: str, tmp_path: Path) -> None:
    left, right = kicks(32, 0.5), np.roll(kicks(32, 0.5), RATE // 4)
    for name, sound in (("wide", np.stack([left, 0.1 * right], axis=1)), ("mono", left)):
        soundfile.write(tmp_path / f"{name}.wav", sound, RATE)
    params = replace(RiffusionParams.wide(), num_frequencies=BANDS)
    reader = InitReader(RiffusionCodec(params))
    wide, mono = (
        reader.read(InitSource.parse(f"{tmp_path / name}.wav{from_beat}"), 8, BPM) for name in ("wide", "mono")
    )
    assert wide.shape == mono.shape == (1, 3, BANDS, 512) and not wide[:, 0].any()
    assert torch.equal(mono[:, 1], mono[:, 2])
    assert float((wide[:, 1] - mono[:, 1]).abs().mean()) < 0.01  # the left is the left
    assert float(wide[:, 2].min()) > 0.3 > float(wide[:, 1].min())  # 20 dB below it, by the fourth root


def test_a_stereo_checkpoint_starts_from_a_stereo_sound(tmp_path: Path) -> None:
    left = kicks(16, 0.0)
    soundfile.write(tmp_path / "song.wav", np.stack([left, np.roll(left, RATE // 4)], axis=1), RATE)
    soundfile.write(tmp_path / "turned.wav", np.stack([np.roll(left, RATE // 4), left], axis=1), RATE)
    own = RiffusionFamily.load(f"{make_checkpoint(tmp_path / 'wide', stereo=True)}?device=cpu&scheduler=ddim")
    start = replace(REQUEST.start, strength=0.5)
    batch = replace(REQUEST, start=start, init=str(tmp_path / "song.wav"), bpm=BPM)
    found = own.render(batch, never_cancel)
    assert found.audio.shape == (3, round(2 * 60 / BPM * RATE), 2) and np.isfinite(found.audio).all()
    assert not np.array_equal(found.audio[..., 0], found.audio[..., 1])
    assert not np.array_equal(
        own.render(replace(batch, init=str(tmp_path / "turned.wav")), never_cancel).mel, found.mel
    )
    again = own.render(replace(batch, retakes=(Retake(("high",), 0b10, 1),)), never_cancel)
    assert again.audio.shape == found.audio.shape and not np.array_equal(again.audio, found.audio)


@pytest.mark.parametrize(("size", "beats"), [((512, 512), 4), ((512, 512), 16), ((640, 480), 8), ((70, 64), 2)])
def test_a_hand_drawn_picture_of_any_size_becomes_whole_beats(
    size: tuple[int, int], beats: int, tmp_path: Path
) -> None:
    draw = np.random.default_rng(1).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(draw).save(tmp_path / "drawn.png")
    params = RiffusionParams(num_frequencies=BANDS)
    found = InitReader(RiffusionCodec(params)).read(InitSource.parse(str(tmp_path / "drawn.png")), beats, 120.0)
    assert found.shape == (1, 1, BANDS, 64 * beats) and 0.0 <= float(found.min()) <= float(found.max()) <= 1.0
    stereo = InitReader(RiffusionCodec(replace(params, stereo=True)))
    assert stereo.read(InitSource.parse(str(tmp_path / "drawn.png")), beats, 120.0).shape == (1, 3, BANDS, 64 * beats)


def test_what_is_black_in_a_mask_ends_as_the_seed_and_what_is_white_does_not() -> None:
    own = family("scheduler=ddim")
    scheduler = make_scheduler("ddim", {})
    shape = (4, 8, 16)
    draw = torch.Generator().manual_seed(1)
    init = torch.randn(1, *shape, generator=draw)
    text = torch.randn(1, 77, 32, generator=draw)
    picture = torch.zeros(BANDS, 128)
    picture[: BANDS // 2], picture[BANDS // 2 :, 64:] = 1.0, 0.5
    mask = latent_mask(picture, 8, 16)
    batch = SampleBatch(text, text, torch.ones(1), MorphNoise(((1, 1, 0.0),)), 4, init, 0.75, mask)
    with torch.inference_mode():
        found = sample(batch, own.networks, scheduler, never_cancel, shape)
    low, kept, grey = found[:, :, 4:], found[:, :, :4, :8], found[:, :, :4, 8:]
    assert torch.equal(kept, init[:, :, :4, :8])
    assert (low - init[:, :, 4:]).abs().mean() > 0.1
    assert 0.0 < (grey - init[:, :, :4, 8:]).abs().mean() < (low - init[:, :, 4:]).abs().mean()


def test_a_mask_by_name_or_file_limits_the_change(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 0).save(tmp_path / "black.png")
    kept, generated = mel("straight", 0.0), mel("straight", 0.9)
    assert np.array_equal(mel(f"straight?mask={tmp_path / 'black.png'}", 0.9), kept)
    half, high = (mel(f"straight?mask={name}", 0.9) for name in ("keep-first-bar", "keep-low"))
    assert not any(np.array_equal(a, b) for a, b in combinations((kept, generated, half, high), 2))
    assert np.array_equal(mel(f"straight?mask={tmp_path / 'black.png'}", 1.0), kept)  # strength 1 forgets no mask


def test_freezing_live_keeps_bands_and_beats_exactly() -> None:
    own = family("scheduler=ddim")
    base = own.render(REQUEST, never_cancel).mel
    again = own.render(replace(REQUEST, retakes=(Retake(("high",), 0b10, 1),)), never_cancel).mel
    assert np.array_equal(again[:64], base[:64])  # the first beat
    changed = np.abs(again - base).max(axis=0) > 0.0
    first = int(np.argmax(changed))
    assert first > 0 and changed[first:].all() and not changed[:first].any()  # only the band above
    other = own.render(replace(REQUEST, retakes=(Retake(("high",), 0b10, 2),)), never_cancel).mel
    assert not np.array_equal(other, again)
    spoken = own.render(replace(REQUEST, retakes=(Retake(("high",), 0b10, 1, "a church organ"),)), never_cancel).mel
    assert np.array_equal(spoken[:64], base[:64]) and not np.array_equal(spoken, again)


def _damaged(folder: Path) -> dict[str, tuple[str, str]]:
    (folder / "empty.png").touch()
    (folder / "words.png").write_text("no picture")
    soundfile.write(folder / "nan.wav", np.full(44100, np.nan), 44100, subtype="FLOAT")
    (folder / "noise.wav").write_bytes(b"RIFF")
    return {
        "empty.png": ("empty.png", "empty"),
        "words.png": ("words.png", "not a readable picture"),
        "nan.wav": ("nan.wav", "not finite"),
        "noise.wav": ("noise.wav", "cannot be read"),
        "missing": ("nothing.wav", "there is no file"),
        "mask": ("empty.png", "empty"),
    }


def test_a_file_that_is_neither_is_reported_and_the_next_loop_plays(tmp_path: Path) -> None:
    for kind, (name, words) in _damaged(tmp_path).items():
        init = f"straight?mask={tmp_path / name}" if kind == "mask" else str(tmp_path / name)
        with pytest.raises(AudioFileError, match=words):
            mel(init, 0.5)
    with pytest.raises(AudioFileError, match=r"no mask 'moon'.*keep-low"):
        mel("straight?mask=moon", 0.5)
    with pytest.raises(AudioFileError, match=r"'og_beat'.*straight"):
        mel("og_beat", 0.5)
    assert mel("straight", 0.5).any()
