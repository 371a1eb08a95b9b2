"""HostWatch: one host process, and how the engine notices that it has crashed or hangs. The event loop's thread."""

from __future__ import annotations

from riffengine.engine.plugins.plugin_log import PluginLog
from riffengine.plugins.host import PluginHost
from riffengine.plugins.host_messages import FromHost, HostOptions, HostReady, TakeState
from riffengine.processes.plugin_blocks import PluginBlocks

HANG_SECONDS = 0.1
"""A host that has answered nothing for this long while blocks wait is ended: its sound is dry anyway."""

_HANG_LOOKS = 4  # and was looked at so often: after a stall of the whole machine it gets a chance
LOAD_SECONDS = 20.0
_TRIM_SECONDS = 1.0


class HostWatch:
    """A host process on the shared memory ``blocks``. ``numbers`` are the numbers of its plugins at their place.

    ``spare`` is a process that waits already; it is used in place of a new one.
    """

    def __init__(
        self, options: HostOptions, blocks: PluginBlocks, numbers: tuple[int, ...], spare: PluginHost | None = None
    ) -> None:
        self.options, self.blocks, self.numbers = options, blocks, numbers
        self.ready: HostReady | None = None
        self.latency = 0
        self._host = spare or PluginHost()
        self._host.options = options
        self._log, self._trim_ns = PluginLog(options.log), 0
        self._began_ns = 0
        self._answered, self._moved_ns, self._looks = -1, 0, 0
        self._owed_from = 0  # blocks before this were another host's to answer

    @property
    def pid(self) -> int:
        """Of the process, 0 while there is none."""
        return self._host.pid or 0

    @property
    def blamed(self) -> int:
        """The number of the plugin that it was in last."""
        return self.numbers[min(max(self.blocks.position, 0), len(self.numbers) - 1)]

    def start(self, now_ns: int) -> None:
        """Start the process; ``OSError`` when the system has no room for it."""
        self._began_ns = self._moved_ns = now_ns
        self._host.start()

    def receive(self, now_ns: int) -> tuple[list[FromHost], str]:
        """What it said, and why it can no longer be used: "" while it can."""
        if now_ns >= self._trim_ns:
            self._trim_ns = now_ns + round(_TRIM_SECONDS * 1e9)
            self._log.trim()
        said, connected = self._host.receive()
        for message in said:
            if isinstance(message, HostReady):
                self.ready = message
                self.latency = message.latency
                self._moved_ns, self._looks = now_ns, 0
                self._owed_from = self.blocks.asked_to if self.options.takes_over else 0
        if not connected or not self._host.alive:
            return said, self._end()
        if self.ready is None:
            loading = (now_ns - self._began_ns) / 1e9
            return said, f"has not started within {LOAD_SECONDS:.0f} s" if loading > LOAD_SECONDS else ""
        return said, self._hang(now_ns)

    def ask_for_state(self) -> None:
        """Have it answer with ``StateTaken``."""
        self._host.send(TakeState())

    def kill(self) -> None:
        """End the process by force; its shared memory stays."""
        self._host.dismiss()
        self._host.close()

    def close(self) -> None:
        """End the process and give back its shared memory."""
        self.kill()
        self.blocks.close()

    def _hang(self, now_ns: int) -> str:
        answered = self.blocks.answered_to
        if answered != self._answered or max(answered, self._owed_from) >= self.blocks.asked_to:
            self._answered, self._moved_ns, self._looks = answered, now_ns, 0
            return ""
        self._looks += 1
        seconds = (now_ns - self._moved_ns) / 1e9
        return f"hangs ({1000 * seconds:.0f} ms)" if seconds > HANG_SECONDS and self._looks >= _HANG_LOOKS else ""

    def _end(self) -> str:
        code = self._host.exit_code
        why = "ended" if code is None else f"ended by signal {-code}" if code < 0 else f"ended with status {code}"
        last = self._log.last_line()
        return f"{why} ({last})" if last else why
