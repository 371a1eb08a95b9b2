"""ReplayHosts: the plugins of a recorded set, hosted again for its replay, which waits for every answer."""

from __future__ import annotations

from dataclasses import replace

from riffengine.errors import JournalError, PluginError
from riffengine.performance.journal import Recording
from riffengine.plugins.chain import PluginChain
from riffengine.plugins.host import PluginHost
from riffengine.plugins.host_messages import HostFailed, HostOptions, HostReady
from riffengine.processes.player_messages import AttachInsert
from riffengine.processes.plugin_blocks import PluginBlocks

_PATIENCE_STEPS = 1200  # of 50 ms


class ReplayHosts:
    """Starts a host for every chain that the set was sent through, at ``sample_rate``. One thread.

    The chains have the states and parameters that they had in the set. Two runs of one plugin give the same samples,
    unless the plugin itself plays differently every time (``riffengine plugins info`` says so).
    """

    def __init__(self, sample_rate: int, opener: str = "riffengine.plugins.registry") -> None:
        self._sample_rate, self._opener = sample_rate, opener
        self._hosts: list[tuple[PluginHost, PluginBlocks]] = []

    def attach(self, message: AttachInsert, bpm: float) -> AttachInsert:
        """``message`` with a host of our own behind it; ``JournalError`` when a plugin cannot be had here."""
        try:
            chain = PluginChain.from_text(message.chain)
        except PluginError as error:
            raise JournalError(f"the journal is damaged: {error}") from None
        blocks = PluginBlocks.create()
        host = PluginHost(HostOptions(blocks.name, self._sample_rate, chain, bpm=bpm, live=False, opener=self._opener))
        self._hosts.append((host, blocks))
        host.start()
        for _ in range(_PATIENCE_STEPS):
            said, connected = host.receive()
            for news in said:
                if isinstance(news, HostReady):
                    return replace(message, segment=blocks.name)
                if isinstance(news, HostFailed):
                    raise JournalError(
                        f"the set was played through plugins that cannot be loaded here: {news.reason}; install them"
                    )
            if not connected:
                break
            host.join(0.05)
        references = ", ".join(plugin.reference for plugin in chain.plugins)
        raise JournalError(f"the plugins of {message.place} ({references}) cannot be started; the set needs them")

    def close(self) -> None:
        """End the hosts."""
        for host, blocks in self._hosts:
            host.close()
            blocks.close()
        self._hosts.clear()


def plugin_failures(recording: Recording) -> tuple[str, ...]:
    """What plugins did wrong while the set was played: there the replay differs from what was heard."""
    events = (entry for entry in recording.entries if entry.kind == "event" and entry.path.endswith("/fx"))
    return tuple(entry.note for entry in events if _failed(entry.note))


def _failed(note: str) -> bool:
    return "the sound is dry" in note or "it is bypassed" in note
