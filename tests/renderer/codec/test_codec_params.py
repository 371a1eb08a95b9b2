import json

import numpy as np
import pytest

from riffengine.errors import ModelError
from riffengine.renderer.codec import CodecParams
from riffengine.renderer.codec.filterbank import band_corners_hz, band_weights
from riffengine.renderer.torchaudio_import import import_torchaudio, torchaudio_case

LOG = CodecParams(axis="log", fmin=32.703, n_mels=288, bands_per_octave=36, n_fft=4096)


@pytest.mark.parametrize("params", [CodecParams(), LOG, CodecParams(sample_rate=48000, frames=256, power=0.5)])
def test_params_survive_json_and_string_metadata(params: CodecParams) -> None:
    stored = params.to_dict()
    assert CodecParams.from_dict(json.loads(json.dumps(stored))) == params
    assert CodecParams.from_dict({key: str(value) for key, value in stored.items()}) == params


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_fft": 1001}, "n_fft"),
        ({"fmax": 30000.0}, "fmax"),
        ({"fmin": -1.0}, "fmin"),
        ({"power": 0.0}, "power"),
        ({"axis": "bark"}, "axis"),
        ({"frames": 2}, "frames"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"axis": "log", "n_mels": 512}, "fewer bands"),
        ({"n_mels": "many"}, "n_mels"),
        ({"n_mels": 256.5}, "n_mels"),
        ({"fmin": "nan"}, "fmin"),
        ({"hop": 512}, "hop"),
    ],
)
def test_a_damaged_checkpoint_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        CodecParams.from_dict({**CodecParams().to_dict(), **changes})


@pytest.mark.parametrize("params", [CodecParams(), CodecParams(n_fft=1024), LOG])
def test_no_band_vanishes_and_no_triangle_loses_area(params: CodecParams) -> None:
    weights = band_weights(params)
    corners = band_corners_hz(params)
    bin_hz = params.sample_rate / params.n_fft
    area = (corners[:, 2] - corners[:, 0]) / 2 / bin_hz
    np.testing.assert_allclose(weights.sum(1), area, rtol=1e-9)
    assert (weights >= 0).all()


def test_log_bands_are_even_steps_of_an_octave() -> None:
    centres = band_corners_hz(LOG)[:, 1]
    assert centres[0] == pytest.approx(32.703)
    np.testing.assert_allclose(centres[36:] / centres[:-36], 2.0)


@pytest.mark.skipif(torchaudio_case() in ("missing", "broken"), reason="no torchaudio here")
def test_mel_triangles_are_those_of_torchaudio_where_a_band_spans_many_bins() -> None:
    params = CodecParams(n_fft=16384, n_mels=40)
    theirs = (
        import_torchaudio()
        .functional.melscale_fbanks(
            n_freqs=params.n_fft // 2 + 1, f_min=params.fmin, f_max=params.fmax, n_mels=params.n_mels,
            sample_rate=params.sample_rate, norm=None, mel_scale="htk",
        )
        .numpy()
        .T
    )  # fmt: skip
    ours = band_weights(params)
    theirs = theirs[:, : ours.shape[1]]
    np.testing.assert_allclose(ours, theirs, atol=0.02)
    bins = np.arange(ours.shape[1])
    np.testing.assert_allclose((ours * bins).sum(1) / ours.sum(1), (theirs * bins).sum(1) / theirs.sum(1), atol=0.02)
    centres = band_corners_hz(params)[:, 1] * params.n_fft / params.sample_rate
    np.testing.assert_allclose(theirs.argmax(1), centres, atol=0.6)  # the tallest bin is the one nearest the centre
