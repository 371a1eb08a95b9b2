"""Phases that start from noise do not buzz, and strokes with their envelopes are as sharp as they were."""

import numpy as np
import pytest
import torch
from torch import Tensor

from riffengine.errors import ModelError
from riffengine.renderer.bundled.descriptor import envelope_weights
from riffengine.renderer.bundled.latent_codec import NOISE_FROM_HZ, STEMS, LatentCodec, StemShape
from riffengine.renderer.bundled.stem_decoder import StemDecoder
from riffengine.renderer.codec import Codec
from riffengine.renderer.codec.envelopes import VALUES_PER_FRAME, ZONES, EnvelopeNet, LoopEnvelopes, load_envelope_net
from riffengine.renderer.codec.noise import bin_hz, noise_bins, zone_weights

RATE, BPM = 44100, 120.0
FRAMES = round(8 * 60 / BPM * RATE)
PARAMS = STEMS[0].codec
SHAPES = (StemShape("drums", PARAMS, 8), *STEMS[1:])


# On about every eighth note: strokes in exact time would have a line at the frame rate of their own.
STROKES = [k * FRAMES // 16 + int(shift) for k, shift in enumerate(np.random.default_rng(0).integers(0, 900, 16))]


def hats(decay_seconds: float = 0.05, seed: int = 1) -> Tensor:
    """Strokes of noise above 5 kHz ``(1, FRAMES)``."""
    noise = np.random.default_rng(seed).standard_normal(FRAMES)
    spectrum = np.fft.rfft(noise)
    spectrum[np.fft.rfftfreq(FRAMES, 1 / RATE) < 5000.0] = 0.0
    last = np.searchsorted(STROKES, np.arange(FRAMES), "right") - 1
    since_stroke = (np.arange(FRAMES) - np.array(STROKES)[last]) % FRAMES / RATE
    return torch.from_numpy((np.fft.irfft(spectrum) * np.exp(-since_stroke / decay_seconds) * 0.2).astype(np.float32))[
        None
    ]


def buzz_db(audio: Tensor, frame_hz: float = PARAMS.frames / (FRAMES / RATE)) -> float:
    """The line of the envelope at the frame rate, above the median of its neighbours."""
    envelope = audio.abs().numpy()
    spectrum = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(len(envelope))))
    line = round(frame_hz * len(envelope) / RATE)
    near = np.concatenate([spectrum[line - 60 : line - 8], spectrum[line + 9 : line + 61]])
    return float(20 * np.log10(spectrum[line - 2 : line + 3].max() / np.median(near)))


def rise_ms(audio: Tensor) -> float:
    """Median time from 10 to 90 % of the level at the strokes of ``hats``."""
    window = np.hanning(47)[1:-1]
    level = np.sqrt(np.convolve(np.tile(audio.numpy() ** 2, 2), window / window.sum(), "same"))
    found = []
    for at in STROKES[1:]:
        piece = level[at - 1800 : at + 900]
        top = int(piece.argmax())
        low, high = (np.flatnonzero(piece[: top + 1] < share * piece[top])[-1] for share in (0.1, 0.9))
        found.append((high - low) / RATE * 1000)
    return float(np.median(found))


@pytest.fixture(scope="module")
def decoder() -> StemDecoder:
    return StemDecoder(LatentCodec(SHAPES), load_envelope_net(envelope_weights()))


def drums_decoded(decoder: StemDecoder, mel: Tensor) -> Tensor:
    silent = [Tensor(1, s.codec.frames, s.codec.n_mels).zero_() for s in SHAPES[1:]]
    return decoder.audio([mel, *silent], FRAMES, 8, silent=("bass", "harmony"))[0]


def test_noise_buzzes_from_predicted_phases_and_not_from_those_of_noise() -> None:
    mel = Codec(PARAMS).encode(hats())
    assert buzz_db(Codec(PARAMS).decode(mel, FRAMES, iterations=8)[0]) > 15.0
    assert buzz_db(Codec(PARAMS, noise_from_hz=1200.0).decode(mel, FRAMES, iterations=8)[0]) < 10.0


def test_drums_do_not_buzz_and_their_strokes_rise_as_fast_as_the_original(decoder: StemDecoder) -> None:
    original = hats()
    mel = Codec(PARAMS).encode(original)
    made = drums_decoded(decoder, mel)
    assert buzz_db(made) < buzz_db(Codec(PARAMS).decode(mel, FRAMES, iterations=8)[0]) - 12.0
    blurred = rise_ms(Codec(PARAMS, noise_from_hz=1200.0).decode(mel, FRAMES, iterations=8)[0])
    assert rise_ms(original[0]) < 3.0
    assert rise_ms(made) < 0.85 * blurred


def test_sharpening_keeps_the_level_that_the_image_asks_for(decoder: StemDecoder) -> None:
    mel = Codec(PARAMS).encode(hats())
    found = Codec(PARAMS).encode(drums_decoded(decoder, mel)[None])
    loud = mel > 0.5 * mel.max()
    error_db = 20 / PARAMS.power * torch.log10(found[loud] / mel[loud])
    assert abs(float(error_db.median())) < 2.0


def test_two_decodings_are_equal_bit_for_bit(decoder: StemDecoder) -> None:
    mel = Codec(PARAMS).encode(hats())
    again = StemDecoder(LatentCodec(SHAPES), load_envelope_net(envelope_weights()))
    assert torch.equal(drums_decoded(decoder, mel), drums_decoded(again, mel))


def test_similar_loops_start_from_equal_noise_and_a_crossfade_keeps_its_level() -> None:
    codec = Codec(PARAMS, noise_from_hz=1200.0)
    mel = codec.encode(hats())
    one, other = codec.decode(torch.cat([mel, mel * 1.03]), FRAMES, iterations=8)
    mixed = 0.5 * (one + other)
    loss = 10 * torch.log10(mixed.square().mean() / (0.5 * (one.square().mean() + other.square().mean())))
    assert float(loss) > -0.5


def test_a_sine_below_the_border_is_the_same_as_without_noise() -> None:
    time = torch.arange(FRAMES) / RATE
    mel = Codec(PARAMS).encode(0.3 * torch.sin(2 * torch.pi * 440.0 * time)[None])
    plain = Codec(PARAMS).decode(mel, FRAMES, iterations=8)[0]
    mixed = Codec(PARAMS, noise_from_hz=3000.0).decode(mel, FRAMES, iterations=8)[0]
    assert float((plain - mixed).norm() / plain.norm()) < 0.02


@pytest.mark.parametrize("stem", STEMS, ids=lambda stem: stem.name)
def test_bins_far_from_the_border_are_all_noise_or_all_not(stem: object) -> None:
    border, params = NOISE_FROM_HZ[stem.name], stem.codec  # type: ignore[attr-defined]
    chosen, hz = noise_bins(params, border), bin_hz(params)
    assert not chosen[hz < border / 1.2].any() and chosen[hz > border * 1.2].all()


def test_zones_add_up_everywhere() -> None:
    hz = torch.fft.rfftfreq(4096, 1 / RATE)
    torch.testing.assert_close(torch.stack(zone_weights((600.0, 5000.0), hz)).sum(0), torch.ones_like(hz))


def test_envelopes_of_equal_level_change_nothing_but_zones() -> None:
    """A steady sound with steady envelopes passes ``sharpen`` almost unchanged."""
    steady = torch.from_numpy(np.random.default_rng(2).standard_normal(FRAMES).astype(np.float32)) * 0.1
    flat = torch.full((PARAMS.frames * VALUES_PER_FRAME, ZONES), -30.0)
    made = LoopEnvelopes(flat, FRAMES, PARAMS).sharpen(steady)
    assert float(10 * torch.log10(made.square().mean() / steady.square().mean())) > -2.0


def test_an_envelope_network_that_is_damaged_is_refused(tmp_path: object) -> None:
    path = tmp_path / "envelopes.safetensors"  # type: ignore[operator]
    path.write_bytes(b"not safetensors")
    with pytest.raises(ModelError, match="envelope network"):
        load_envelope_net(path)


def test_the_network_turns_with_its_image() -> None:
    net = load_envelope_net(envelope_weights())
    mel, hop = Codec(PARAMS).encode(hats()), torch.tensor([FRAMES / RATE / PARAMS.frames])
    here, turned = net(mel, hop), net(mel.roll(7, 1), hop)
    torch.testing.assert_close(turned, here.roll(7 * VALUES_PER_FRAME, 1), atol=1e-3, rtol=0)
    assert isinstance(net, EnvelopeNet) and not any(p.requires_grad for p in net.parameters())
