"""LineFile: a disk that does not answer holds nobody up, and the file is a whole beginning of what was given."""

from __future__ import annotations

import io
import threading

from riffengine.files.line_file import LineFile

PATIENCE_SECONDS = 60.0


class Standing(io.StringIO):
    """A disk that takes nothing until it is ``released``."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.released = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.released.wait(PATIENCE_SECONDS)
        return super().write(text)


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
    stream = Standing()
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
