"""RiffusionDescriptor: what is known of a spectrogram checkpoint before it is loaded. No torch: the engine reads it."""

from __future__ import annotations

from collections.abc import Mapping

from riffengine.renderer.checkpoints.model_library import Library
from riffengine.renderer.family import Family, FamilyDescriptor, ModelShape
from riffengine.renderer.riffusion.bands import BANDS
from riffengine.renderer.riffusion.model_spec import ModelSpec


class RiffusionDescriptor(FamilyDescriptor):
    """Checkpoints in the shape of Stable Diffusion 1.5: a folder or a name on the hub, with options (``ModelSpec``)."""

    name = "riffusion"
    stems = BANDS
    starts_from_songs = True

    def owns(self, model: str) -> bool:
        """Every name: what no other family owns is the folder or the hub name of a checkpoint."""
        return True

    def shape(self, model: str) -> ModelShape:
        """Bands for stems; stereo at the most, as its options say when it is loaded."""
        return ModelShape(BANDS)

    def load(self, model: str) -> Family:
        """The checkpoint with its options; ``ModelError`` when it cannot be loaded."""
        from riffengine.renderer.riffusion.family import RiffusionFamily

        return RiffusionFamily.load(model)

    def facts(self, model: str) -> Mapping[str, object]:
        """What its configuration says and what its files hold."""
        from riffengine.renderer.riffusion.checkpoint import read_checkpoint
        from riffengine.renderer.riffusion.convert import facts_of

        return facts_of(read_checkpoint(ModelSpec.parse(model)))

    def check(self, model: str) -> None:
        """``ModelError`` when its options are not understood, or it is not on this machine, whole and unpickled."""
        Library.standard().playable(ModelSpec.parse(model).source)

    def with_memory_limit(self, model: str, size: str) -> str:
        """``model`` with the option ``vram``, which is read when the model is."""
        return f"{model}{'&' if '?' in model else '?'}vram={size}"
