"""Cue sheet: what is heard at which time of a recording, in the text format that players and DAWs read.

Source of the format: the CDRWIN cue sheet: FILE, TRACK, TITLE, INDEX in minutes, seconds and 75ths; at most 99 tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from riffengine.errors import printable

MOST_TRACKS = 99
SHORTEST_SECONDS = 2.0  # shorter tracks are merged with the next one, under its title
_CUE_FRAMES = 75
_LONGEST_TITLE = 1000  # characters


@dataclass(frozen=True)
class Cue:
    """``title`` is heard from output frame ``frame`` on; a ``remark`` becomes a comment instead of a track."""

    frame: int
    title: str
    remark: bool = False


@dataclass(frozen=True)
class CueFile:
    """The name of a file, and the output frame of its first sample."""

    name: str
    frame: int


def cue_sheet(title: str, sample_rate: int, files: Sequence[CueFile], end_frame: int, cues: Sequence[Cue]) -> str:
    """The sheet of a recording of ``files``, in order, that ends before ``end_frame``.

    Of several ``cues`` at one frame the last counts. The first track is what sounded when the recording began. A track
    continues in the next file under the same title. Of more than 99 tracks the shortest are left out (with a comment).
    """
    tracks = _tracks(sample_rate, files, end_frame, cues)
    left_out = 0
    while len(tracks) > MOST_TRACKS:
        ends = [*(track.frame for track in tracks[1:]), end_frame]
        starts = {file.frame for file in files}
        spans = [
            (end - t.frame, n) for n, (t, end) in enumerate(zip(tracks, ends, strict=True)) if t.frame not in starts
        ]
        if not spans:
            break
        tracks.pop(min(spans)[1])
        left_out += 1
    lines = ['REM GENERATOR "riffengine"', f"TITLE {_quoted(title)}", 'PERFORMER "riffengine"']
    if left_out:
        lines.append(f"REM {left_out} short tracks are left out: a cue sheet holds {MOST_TRACKS}")
    first = files[0].frame if files else 0
    for cue in sorted(cues, key=lambda cue: cue.frame):
        if cue.remark and first <= cue.frame < end_frame:
            lines.append(f"REM {_time(cue.frame - first, sample_rate)} {_one_line(cue.title)}")
    number = 0
    for place, file in enumerate(files):
        after = files[place + 1].frame if place + 1 < len(files) else end_frame
        lines.append(f"FILE {_quoted(file.name)} WAVE")
        for track in tracks:
            if file.frame <= track.frame < max(after, file.frame + 1):
                number += 1
                lines += [
                    f"  TRACK {number:02d} AUDIO",
                    f"    TITLE {_quoted(track.title)}",
                    f"    INDEX 01 {_time(track.frame - file.frame, sample_rate)}",
                ]
    return "\n".join(lines) + "\n"


def _tracks(sample_rate: int, files: Sequence[CueFile], end_frame: int, cues: Sequence[Cue]) -> list[Cue]:
    latest = {cue.frame: cue for cue in cues if not cue.remark and cue.frame < end_frame}
    titles = [latest[frame] for frame in sorted(latest)]
    starts = [file.frame for file in files]
    found: list[Cue] = []
    for start in starts:  # every file begins with a track
        sounding = [cue.title for cue in titles if cue.frame <= start]
        found.append(Cue(start, sounding[-1] if sounding else "before the first sound"))
    found += [cue for cue in titles if starts and cue.frame > starts[0] and cue.frame not in starts]
    found.sort(key=lambda cue: cue.frame)
    kept: list[Cue] = []
    for cue in found:
        short = bool(kept) and cue.frame - kept[-1].frame < SHORTEST_SECONDS * sample_rate
        if short and cue.frame not in starts:
            kept[-1] = Cue(kept[-1].frame, cue.title)
        elif not kept or cue.title != kept[-1].title or cue.frame in starts:
            kept.append(cue)
    return kept


def _time(frames: int, sample_rate: int) -> str:
    ticks = max(0, frames) * _CUE_FRAMES // sample_rate
    minutes, rest = divmod(ticks, 60 * _CUE_FRAMES)
    return f"{minutes:02d}:{rest // _CUE_FRAMES:02d}:{rest % _CUE_FRAMES:02d}"


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()), _LONGEST_TITLE)


def _quoted(text: str) -> str:
    """``text`` in quotes; the format has no escapes, so quotes inside become apostrophes."""
    return '"' + _one_line(text).replace('"', "'") + '"'
