"""WaveformDescriptor: what is known of a checkpoint of waveforms before it is loaded. No torch: the engine reads it."""

from __future__ import annotations

from collections.abc import Mapping

from riffengine.errors import ModelError
from riffengine.renderer.checkpoints.model_library import PARTS_OF, Library, kind_of
from riffengine.renderer.family import Family, FamilyDescriptor, ModelShape
from riffengine.renderer.waveform.waveform_spec import WaveformSpec


class WaveformDescriptor(FamilyDescriptor):
    """Stable Audio, its Small and 3, Dance Diffusion, MusicGen: a folder or a name on the hub."""

    name = "waveform"
    starts_from_songs = True

    def owns(self, model: str) -> bool:
        """Whether there is a folder behind ``model`` on this machine whose index names one of our kinds."""
        try:
            return kind_of(Library.standard().locate(model.partition("?")[0])) in PARTS_OF
        except (ModelError, OSError):
            return False

    def shape(self, model: str) -> ModelShape:
        """One stem; stereo at the most, as its configuration says when it is loaded."""
        return ModelShape()

    def load(self, model: str) -> Family:
        """The checkpoint with its options; ``ModelError`` when it cannot be loaded."""
        from riffengine.renderer.waveform.family import WaveformFamily

        return WaveformFamily.load(model)

    def facts(self, model: str) -> Mapping[str, object]:
        """Its kind, channels and rate."""
        from riffengine.renderer.waveform.family import WaveformFamily

        self.check(model)
        networks = WaveformFamily.load(model).networks
        kind = kind_of(Library.standard().locate(WaveformSpec.parse(model).source))
        return {"kind": kind, "channels": networks.channels, "sample_rate": networks.sample_rate}

    def check(self, model: str) -> None:
        """``ModelError`` when its options are not understood, or it is not on this machine, whole and unpickled."""
        Library.standard().playable(WaveformSpec.parse(model).source)
