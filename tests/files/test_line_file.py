"""LineFile: a disk that does not answer holds nobody up, and the file is a whole beginning of what was given."""

from __future__ import annotations

import io

from riffengine.files.line_file import LineFile
from tests.standing_stream import PATIENCE_SECONDS, StandingStream


def test_every_line_is_written_in_order_and_at_the_end_all_of_them_are_there() -> None:
    stream = io.StringIO()
    lines = LineFile(stream)
    for number in range(1000):
        lines.write(str(number))
    assert lines.end(PATIENCE_SECONDS)
    assert stream.getvalue().splitlines() == [str(number) for number in range(1000)]
    lines.write("too late")
    assert lines.lost == lines.unwritten == 1


def test_where_the_disk_does_not_answer_the_file_ends_and_what_is_missing_is_counted() -> None:
    stream = StandingStream()
    lines = LineFile(stream, most_waiting=10)
    lines.write("first")
    assert stream.reached.wait(PATIENCE_SECONDS)
    for number in range(13):
        lines.write(str(number))
    assert lines.full and lines.lost == 3 and lines.unwritten == 14
    assert not lines.settle(0.0) and not lines.end(0.0)
    stream.released.set()
    assert lines.settle(PATIENCE_SECONDS)
    lines.write("a line behind a gap")
    assert lines.end(PATIENCE_SECONDS)
    assert stream.getvalue().splitlines() == ["first", *map(str, range(10))]
    assert lines.unwritten == 4
