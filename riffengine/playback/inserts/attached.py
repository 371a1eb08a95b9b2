"""AttachedInserts: the plugins of a mixer, and its mix in stages, which exists only while there are plugins."""

from __future__ import annotations

from collections.abc import Callable

from riffengine.errors import PluginError
from riffengine.playback.inserts.return_path import ReturnPath
from riffengine.playback.inserts.staged_mix import StagedMix
from riffengine.processes.audio import CHANNELS, Block
from riffengine.processes.player_messages import AttachInsert, ToInsert


class AttachedInserts:
    """``stages`` makes the staged mix when the first plugin is attached.

    ``admit`` may be called in another thread; all else belongs to the mixer's.
    """

    def __init__(self, sample_rate: int, channels: int, stages: Callable[[], StagedMix]) -> None:
        self.staged: StagedMix | None = None
        self.waits = False  # for every answer of a plugin: right for a file, wrong for a device
        self._sample_rate, self._channels = sample_rate, channels
        self._stages = stages
        self._past_gaps = 0
        self._paths: dict[str, ReturnPath] = {}  # admitted, not yet attached, by segment

    @property
    def gaps(self) -> int:
        """How often answers of plugins were missing so far."""
        return self._past_gaps + (self.staged.gaps if self.staged is not None else 0)

    def admit(self, message: AttachInsert) -> bool:
        """Open the shared memory of a host ahead of ``change``; about 1 ms. ``False`` when that cannot be."""
        path = self._open(message)
        if path is not None:
            self._paths[message.segment] = path
        return path is not None

    def refuse(self, message: AttachInsert) -> None:
        """Let go of a host that was admitted."""
        self._paths.pop(message.segment, None)

    def change(self, message: ToInsert, frame: int) -> bool:
        """Attach, detach, or change a latency from ``frame`` on; ``False`` where that cannot be."""
        path = None
        if isinstance(message, AttachInsert):
            path = self._paths.pop(message.segment, None) or self._open(message)
            if path is None:
                return False
            self.staged = self.staged or self._stages()
        return self.staged is not None and self.staged.change(message, path, frame)

    def mix_into(self, bus: Block, mixed: int) -> int:
        """Fill ``bus``, whose first frame is ``mixed``; the frames done, fewer where the plugins have gone."""
        staged = self.staged
        if staged is None:
            return 0
        ends_at = staged.ends_at
        part = bus if ends_at is None else bus[: max(0, ends_at - mixed)]
        until = mixed + len(part)
        try:
            staged.mix_into(part)
        finally:
            staged.continue_at(until)
        if ends_at is not None and until >= ends_at:
            self.end()
        return len(part)

    def end(self) -> None:
        """Mix without plugins from now on."""
        if self.staged is not None:
            self._past_gaps += self.staged.gaps
            self.staged.close()
            self.staged = None

    def _open(self, message: AttachInsert) -> ReturnPath | None:
        if self._channels != CHANNELS:  # plugins are stereo
            return None
        try:
            return ReturnPath(message, self._sample_rate, self.waits)
        except PluginError:
            return None
