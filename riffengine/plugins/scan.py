"""The scan: every plugin of this machine is run once in a child process, and what was seen goes to the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from riffengine.plugins.blacklist import Blacklist
from riffengine.plugins.catalogue import Catalogue, FileRecord, ScannedPlugin, Verdict, stamp
from riffengine.plugins.child import CallEnd, call_in_child
from riffengine.plugins.probe import AfterNan, Found, Measured, Stage, list_plugins, probe
from riffengine.plugins.registry import FORMATS, Listed, PluginFile

LIMIT_SECONDS = 15.0
"""How long a plugin may show no sign of life (a step, or a quarter of a second of sound); then it counts as hung."""

_LISTING_SECONDS = 60.0  # a file with hundreds of plugins, on a busy machine


@dataclass(frozen=True)
class ScanCount:
    """How many plugins there are, and how many of them were run now; ``gone`` files were there at the scan before."""

    plugins: int
    run_now: int
    gone: int


def scan(
    files: tuple[PluginFile, ...],
    catalogue: Catalogue,
    blacklist: Blacklist,
    unix_seconds: float,
    report: Callable[[ScannedPlugin], None] = lambda _: None,
    formats: frozenset[str] = frozenset(FORMATS),
    limit_seconds: float = LIMIT_SECONDS,
) -> ScanCount:
    """Run every plugin whose file is new or has changed, and those that a scan before did not reach.

    The catalogue is written after each plugin: what was done is kept if the scan is stopped. A plugin that crashes or
    hangs goes on the blacklist; one that a scan had put there is taken off when it runs. ``report`` gets each result.
    ``files`` are all of ``formats``; what the catalogue has of other formats stays.
    """
    present = {str(file.path): file for file in files}
    gone = [path for path, record in catalogue.files.items() if record.format in formats and path not in present]
    for path in gone:
        del catalogue.files[path]
    run_now = 0
    for path, file in present.items():
        record = _record(file, catalogue.files.get(path))
        if record is not catalogue.files.get(path):
            catalogue.files[path] = record
            catalogue.write()
        done = {plugin.reference for plugin in record.plugins}
        for listed in record.listed:
            reference = listed.reference
            if reference in done:
                continue
            plugin = probed(listed, limit_seconds)
            record = replace(record, plugins=(*record.plugins, plugin))
            catalogue.files[path] = record
            catalogue.write()
            _judge(plugin, blacklist, unix_seconds)
            run_now += 1
            report(plugin)
    if gone:
        catalogue.write()
    return ScanCount(sum(1 for _ in catalogue.plugins()), run_now, len(gone))


def probed(plugin: Listed, limit_seconds: float = LIMIT_SECONDS) -> ScannedPlugin:
    """The result for one plugin."""
    return _row(plugin, call_in_child(probe, (plugin.reference,), limit_seconds))


def _judge(plugin: ScannedPlugin, blacklist: Blacklist, unix_seconds: float) -> None:
    if plugin.verdict in ("crashed", "hung"):
        blacklist.add(plugin.reference, f"{plugin.verdict}: {plugin.reason}", unix_seconds, scanned=True)
    elif (blame := blacklist.entries().get(plugin.reference)) is not None and blame.scanned:
        blacklist.forgive(plugin.reference)


def _record(file: PluginFile, known: FileRecord | None) -> FileRecord:
    """The record of a file: the known one where the file is as it was, else a new one with the list of its plugins."""
    size, mtime_ns = stamp(file)
    if known is not None and (known.size, known.mtime_ns) == (size, mtime_ns):
        return known
    end = call_in_child(list_plugins, (file,), _LISTING_SECONDS)
    found = next((message for message in end.messages if isinstance(message, Found)), None)
    if found is not None:
        return FileRecord(file.format, size, mtime_ns, found.plugins, ())
    reference = f"{file.format}:{file.path}"
    reason = _sentence(end, "while its file is read")
    row = ScannedPlugin(reference, file.format, _verdict(end), reason, name=file.path.stem)
    return FileRecord(file.format, size, mtime_ns, (Listed(reference, row.name),), (row,), reason)


def _row(listed: Listed, end: CallEnd) -> ScannedPlugin:
    reference = listed.reference
    kind = reference.partition(":")[0]
    stages = [message.name for message in end.messages if isinstance(message, Stage)]
    stage = stages[-1] if stages else "before it was loaded"
    measured = next((message for message in end.messages if isinstance(message, Measured)), None)
    if measured is None:
        return ScannedPlugin(reference, kind, _verdict(end), _sentence(end, stage), name=listed.name)
    after = next((message for message in end.messages if isinstance(message, AfterNan)), None)
    info = measured.info
    return ScannedPlugin(
        reference=reference,
        format=kind,
        verdict="not finite" if measured.bad_blocks else "ran",
        reason="; ".join(_remarks(measured, end, stage)),
        name=info.name,
        maker=info.maker,
        inputs=info.inputs,
        outputs=info.outputs,
        midi_in=info.midi_in,
        parameters=sum(not parameter.output for parameter in info.parameters),
        latency_frames=measured.latency_frames,
        median_us=round(measured.median_us, 1),
        p99_us=round(measured.p99_us, 1),
        silence_us=round(measured.silence_us, 1),
        load_ms=round(measured.load_ms, 1),
        keeps_nan=after is None or not after.recovers,
        repeatable=measured.repeatable,
        state_bytes=measured.state_bytes,
    )


def _remarks(measured: Measured, end: CallEnd, stage: str) -> list[str]:
    remarks = []
    if measured.bad_blocks:
        remarks.append(f"NaN in {measured.bad_blocks} blocks, the last after {measured.last_bad_seconds:.2f} s")
    if end.ended != "done":  # it harms no set: NaN is not let in, and a plugin is closed when its sound is over
        remarks.append(_sentence(end, stage))
    return remarks


def _verdict(end: CallEnd) -> Verdict:
    return "crashed" if end.ended == "done" else end.ended


def _sentence(end: CallEnd, stage: str) -> str:
    words = f"; it wrote: {end.last_words}" if end.last_words else ""
    return f"{end.detail}{words}" if end.ended == "refused" else f"{end.detail} {stage}{words}"
