"""What a weights file declares is known without torch, and a damaged file is somebody else's to complain about."""

import json
from pathlib import Path

import pytest

from riffengine.renderer.family import ModelShape
from riffengine.renderer.registry import model_shape


def declaring(path: Path, metadata: dict[str, str] | None) -> str:
    """A safetensors file without a tensor: eight bytes of length, then the header."""
    header = json.dumps({} if metadata is None else {"__metadata__": metadata}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return str(path)


def test_the_packaged_weights_declare_what_their_model_has() -> None:
    from riffengine.renderer.bundled.family import BundledModel

    model = BundledModel.load()
    assert (model_shape("bundled").stems, model_shape("bundled").channels) == (model.stems, model.channels)


def test_stems_are_read_from_the_header_and_their_audio_is_stereo(tmp_path: Path) -> None:
    stems = ["drums", "bass", "harmony"]
    path = declaring(tmp_path / "three.safetensors", {"stems": json.dumps(stems), "channels": "1"})
    assert model_shape(path) == ModelShape(("drums", "bass", "harmony"), 2)


def test_own_weights_that_declare_nothing_are_one_stem(tmp_path: Path) -> None:
    assert model_shape(declaring(tmp_path / "plain.safetensors", None)) == ModelShape(("mix",), 2)


def test_a_spectrogram_checkpoint_has_bands_for_stems() -> None:
    assert model_shape("some/folder") == model_shape("a/b?lora=x.safetensors") == ModelShape(("low", "mid", "high"), 2)


def test_the_vocabulary_is_that_of_the_weights(tmp_path: Path) -> None:
    from riffengine.renderer.bundled.vocabulary import Vocabulary
    from riffengine.renderer.registry import family_of

    shapes = {"score": json.dumps({"words": 118}), "render": json.dumps({"words": 116})}
    path = declaring(tmp_path / "some.safetensors", shapes)
    known = family_of(path).vocabulary(path)
    assert known is not None and known.unknown("trio skank") == ("skank",)
    for metadata in (None, {"score": "{", "render": "[]"}, {"score": "[]"}, {"score": '{"words": "x"}'}):
        path = declaring(tmp_path / "damaged.safetensors", metadata)
        assert family_of(path).vocabulary(path) is Vocabulary.load()


@pytest.mark.parametrize(
    "content", [b"", b"\x04", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}", b"\x04\0\0\0\0\0\0\0[[[[", b"\x02\0\0\0\0\0\0\0[]"]
)
def test_a_damaged_file_declares_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    assert model_shape(str(path)).stems == ("mix",)


@pytest.mark.parametrize("stems", ["drums", "[1]", '{"a": 1}', '[""]', "null"])
def test_stems_that_are_no_list_of_names_are_none(tmp_path: Path, stems: str) -> None:
    assert model_shape(declaring(tmp_path / "odd.safetensors", {"stems": stems})).stems == ("mix",)
