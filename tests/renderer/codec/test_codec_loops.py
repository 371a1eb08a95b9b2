"""A loop after encoding and decoding: circular, deterministic, at any tempo, similar to the original."""

import numpy as np
import pytest
import torch
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.renderer.codec import Codec, CodecParams

RATE = 44100
L = 384 * 456  # 8 beats near 120.9 bpm; whole hops of 456


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(CodecParams())


def piece(length: int = L, rate: int = RATE) -> Tensor:
    """Eight beats of kick, snare, decaying bass notes and a pad, all wrapping around the end; (1, length)."""
    rng = np.random.default_rng(7)
    loop = np.zeros(length)

    def add(beat: float, sound: np.ndarray) -> None:
        np.add.at(loop, (round(beat * length / 8) + np.arange(len(sound))) % length, sound)

    t = np.arange(rate) / rate
    for beat in (0, 2, 4, 6):
        add(beat, 0.5 * np.sin(2 * np.pi * (50 * t + 3 * (1 - np.exp(-t * 30)))) * np.exp(-t * 9))
        add(beat + 1, 0.15 * rng.standard_normal(rate) * np.exp(-t * 25))
    for step in range(16):
        hz = 55.0 * 2 ** ([0, 0, 3, 5, 7, 5, 3, -2][step % 8] / 12)
        note = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 7)) * np.exp(-t * 6) * np.minimum(1, t / 0.005)
        add(step / 2, 0.15 * note)
    around = np.arange(length) / length
    for hz in (220.0, 277.18, 329.63):
        loop += 0.04 * np.sin(2 * np.pi * round(hz * length / rate) * around)
    return torch.from_numpy(loop.astype(np.float32))[None]


def closeness(codec: Codec, mel: Tensor, audio: Tensor) -> tuple[float, float]:
    """Spectral convergence (linear magnitude) and log-spectral distance in dB with a floor of -80 dB."""
    wanted, found = (image.double() ** (1 / codec.params.power) for image in (mel, codec.encode(audio)))
    convergence = float((wanted - found).norm() / wanted.norm())
    floor = wanted.max() * 1e-4
    db = [20 * torch.log10(image.clamp_min(floor)) for image in (wanted, found)]
    return convergence, float((db[0] - db[1]).square().mean(-1).sqrt().mean())


def strongest_hz(audio: Tensor, rate: int = RATE) -> float:
    loop = audio[0].double().numpy()
    size = 1 << 20
    spectrum = np.abs(np.fft.rfft(np.tile(loop, 3)[:size] * np.hanning(min(size, 3 * len(loop))), size))
    return float(spectrum.argmax() * rate / size)


def test_an_image_has_the_documented_shape_and_scale(codec: Codec) -> None:
    sine = torch.sin(2 * torch.pi * 1000 * torch.arange(RATE * 4) / RATE)[None]
    mel = codec.encode(torch.cat([sine, 0.5 * sine]))
    assert mel.shape == (2, 384, 256) and mel.dtype == torch.float32
    torch.testing.assert_close(mel[1] ** 4, 0.5 * mel[0] ** 4, rtol=1e-3, atol=1e-5)
    assert 0.8 < float(mel[0].max()) < 1.3


@pytest.mark.parametrize("hops", [1, 96, 383])
def test_rotating_the_loop_by_whole_hops_rotates_the_image(codec: Codec, hops: int) -> None:
    loop = piece()
    turned = codec.encode(loop.roll(hops * 456, dims=1))
    torch.testing.assert_close(turned, codec.encode(loop).roll(hops, dims=1), rtol=0, atol=2e-3)


def test_rotating_the_image_rotates_the_loop(codec: Codec) -> None:
    mel = codec.encode(piece())
    here, turned = codec.decode(mel, L), codec.decode(mel.roll(100, dims=1), L)
    assert float((turned - here.roll(100 * 456, dims=1)).norm() / here.norm()) < 1e-3


def test_the_loop_is_seamless(codec: Codec) -> None:
    sines = torch.sin(2 * torch.pi * torch.tensor([[110.3], [441.7], [1318.5]]) * torch.arange(L) / RATE) * 0.3
    # None of these is periodic in L, so the loop itself has a break at its end; its last frames see that.
    inside = codec.encode(sines)[:, 100:101].expand(-1, 384, -1)  # the sound in mid-loop, held all around
    loops = codec.decode(inside, L)
    bend = (loops.roll(-1, 1) - 2 * loops + loops.roll(1, 1)).abs()
    for row in bend:
        assert float(row[[-2, -1, 0, 1]].max()) <= 1.1 * float(row.max())
    level = loops.square().unfold(1, 2048, 1024).mean(-1).sqrt()
    wrapped = torch.cat([loops[:, -1024:], loops[:, :1024]], 1).square().mean(1).sqrt()
    assert bool((wrapped > 0.8 * level.median(1).values).all())


def test_equal_input_gives_equal_bits(codec: Codec) -> None:
    mel = codec.encode(piece())
    assert torch.equal(mel, codec.encode(piece()))
    assert torch.equal(codec.decode(mel, L), Codec(CodecParams()).decode(mel, L))


@pytest.mark.parametrize("bpm", [60.0, 93.75, 121.3, 180.0])
@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_loop_is_reconstructed_at_every_tempo(rate: int, bpm: float) -> None:
    codec = Codec(CodecParams(sample_rate=rate))
    length = round(8 * 60 / bpm * rate)
    mel = codec.encode(piece(length, rate))
    convergence, distance = closeness(codec, mel, codec.decode(mel, length))
    assert convergence < 0.09
    assert distance < 1.8


def test_overlap_add_inverts_the_transform_at_the_longest_and_shortest_hop(codec: Codec) -> None:
    for length in (RATE * 8, RATE * 8 // 3, codec.params.shortest_loop, codec.params.longest_loop):
        loop = torch.randn(2, length, generator=torch.Generator().manual_seed(1))
        geometry = codec._stft(length)
        whole = Codec(CodecParams(fmax=22050.0))._stft(length)
        torch.testing.assert_close(whole.audio(whole.spectra(loop)), loop, rtol=0, atol=1e-4)
        assert geometry.centres == [(2 * t * length + 384) // 768 for t in range(384)]
        assert sum(geometry.hops) == length


def test_a_loop_does_not_depend_on_the_others_of_its_batch(codec: Codec) -> None:
    mel = codec.encode(torch.cat([piece(), piece().roll(L // 3, dims=1) * 2.0]))
    together = codec.decode(mel, L, iterations=2)
    for number in (0, 1):
        alone = codec.decode(mel[number : number + 1], L, iterations=2)[0]
        assert float((together[number] - alone).norm() / alone.norm()) < 1e-3


# Mel bands are wider than a bin, so a lone sine's pitch is an estimate: 3.5 cents rms over 55 Hz .. 4 kHz, 8 at 55 Hz.
@pytest.mark.parametrize(("hz", "cents"), [(55.0, 10.0), (440.0, 1.5), (1319.0, 5.0)])
@pytest.mark.parametrize("other", [0.75, 1.3])
def test_another_length_keeps_the_pitch(codec: Codec, other: float, hz: float, cents: float) -> None:
    cycles = round(hz * L / RATE)
    sine = 0.3 * torch.sin(2 * torch.pi * cycles * torch.arange(L, dtype=torch.float64) / L).float()[None]
    length = round(L * other)
    found = strongest_hz(codec.decode(codec.encode(sine), length))
    assert abs(1200 * np.log2(found / (cycles * RATE / L))) < cents


@pytest.mark.parametrize("other", [0.75, 1.3])
def test_another_length_stretches_the_time(codec: Codec, other: float) -> None:
    clicks = torch.zeros(1, L)
    clicks[0, :: L // 8] = 1.0
    length = round(L * other)
    loop = codec.decode(codec.encode(clicks), length)[0]
    energy = loop.roll(length // 16).square().reshape(-1)[: length // 8 * 8].reshape(8, -1)
    moments = (energy * torch.arange(energy.shape[1])).sum(1) / energy.sum(1)
    np.testing.assert_allclose(moments.numpy(), length / 16, atol=0.006 * RATE)
    assert float(energy.sum(1).min() / energy.sum(1).max()) > 0.8


def test_phases_of_a_neighbour_make_a_crossfade_add_up(codec: Codec) -> None:
    loop = piece()
    dull = torch.fft.irfft(torch.fft.rfft(loop) * torch.linspace(1, 0.3, L // 2 + 1), n=L)  # a neighbour on the morph
    here = codec.decode(codec.encode(loop), L)
    cold = codec.decode(codec.encode(dull).roll(1, dims=2), L)
    warm = codec.decode(codec.encode(dull).roll(1, dims=2), L, phase_from=here)
    by_spectra = codec.decode(codec.encode(dull).roll(1, dims=2), L, phase_from=codec._stft(L).spectra(here))

    def likeness(other: Tensor) -> float:
        return float(torch.nn.functional.cosine_similarity(here, other))

    assert likeness(warm) > likeness(cold) + 0.1
    assert torch.equal(warm, by_spectra)


def test_generated_values_below_zero_count_as_silence(codec: Codec) -> None:
    assert float(codec.decode(torch.full((1, 384, 256), -0.1), L).abs().max()) == 0.0


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (torch.zeros(1, 3071), "tempo"),
        (torch.zeros(1, 384 * 1152 + 1), "tempo"),
        (torch.zeros(L), "batch, samples"),
        (torch.zeros(1, L, dtype=torch.int16), "float32"),
        (torch.full((1, L), float("nan")), "NaN"),
        (torch.full((1, L), float("inf")), "infinity"),
    ],
)
def test_invalid_audio_is_refused(codec: Codec, audio: Tensor, words: str) -> None:
    with pytest.raises(RendererError, match=words):
        codec.encode(audio)


def test_invalid_images_are_refused(codec: Codec) -> None:
    mel = torch.zeros(1, 384, 256)
    with pytest.raises(RendererError, match="384, 256"):
        codec.decode(torch.zeros(1, 256, 256), L)
    with pytest.raises(RendererError, match="NaN"):
        codec.decode(mel + float("nan"), L)
    with pytest.raises(RendererError, match="tempo"):
        codec.decode(mel, 1000)
    with pytest.raises(RendererError, match="phase_from"):
        codec.decode(mel, L, phase_from=torch.zeros(1, L - 1))
    with pytest.raises(RendererError, match="iterations"):
        codec.decode(mel, L, iterations=-1)


def test_a_logarithmic_axis_is_reconstructed_too() -> None:
    codec = Codec(CodecParams(axis="log", fmin=32.703, n_mels=312, bands_per_octave=36, n_fft=4096))
    mel = codec.encode(piece())
    convergence, distance = closeness(codec, mel, codec.decode(mel, L))
    assert convergence < 0.12
    assert distance < 2.5
