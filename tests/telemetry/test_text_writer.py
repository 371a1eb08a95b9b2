"""TextWriter: a terminal or a reader that takes nothing holds up neither the caller nor the end of the process."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

from riffengine.telemetry.status_line import StatusLine
from riffengine.telemetry.text_writer import MOST_WAITING, DirectText, TextWriter, leave_out_the_rest
from tests.standing_stream import PATIENCE_SECONDS, StandingStream

# A thousand lines into a pipe of a few kilobytes, by each of those who write to stdout from the engine; then the end.
NOBODY_READS = """
import sys
from riffengine.cli import main
from riffengine.service.json_log import JsonLog
from riffengine.telemetry.status_line import StatusLine
print("before")
line, log = StatusLine(sys.stdout), JsonLog(None, lambda: 0.0)
for _ in range(1000):
    line.say("x" * 1000)
    log.write("said", "x" * 1000)
line.close(0.1)
log.close(0.1)
sys.stdout.flush()
"""


class Standing(StandingStream):
    """A terminal that takes nothing until it is ``released``."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_that_takes_nothing_holds_up_nobody_and_gets_the_newest_status_later() -> None:
    stream = Standing()
    line = StatusLine(stream)
    line.say("first")
    assert stream.reached.wait(PATIENCE_SECONDS)
    for number in range(100):
        line.update({"beat": str(number)})
    line.say("second")
    line.close(0.0)
    assert stream.getvalue() == ""
    stream.released.set()
    line.close(PATIENCE_SECONDS)
    over = "\r\x1b[2K"
    assert stream.getvalue() == f"{over}first\n{over}second\n{over}beat 99"


def test_what_waits_is_bounded_and_what_was_left_out_is_told() -> None:
    stream = Standing()
    writer = TextWriter(stream)
    writer.write("0\n")
    assert stream.reached.wait(PATIENCE_SECONDS)
    for number in range(MOST_WAITING + 7):
        writer.write(f"{number}\n")
    assert not writer.close(0.0)
    stream.released.set()
    assert writer.close(PATIENCE_SECONDS)
    written = stream.getvalue().splitlines()
    assert written[: MOST_WAITING + 1] == ["0", *map(str, range(MOST_WAITING))]
    assert written[MOST_WAITING + 1 :] == ["(7 messages were left out: nothing took what was written)"]


def test_what_is_written_after_the_end_of_the_thread_is_written_too() -> None:
    stream = io.StringIO()
    writer = TextWriter(stream)
    for text in ("one ", "two"):
        writer.write(text)
        assert writer.close(PATIENCE_SECONDS)
    assert stream.getvalue() == "one two"


def test_a_process_ends_although_nobody_reads_what_it_writes() -> None:
    """Python's buffer has a lock, which a write that waits holds: the end of the process would wait for it, too."""
    reader, writer = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", NOBODY_READS], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    try:
        assert process.communicate(timeout=PATIENCE_SECONDS)[1] == b""
    finally:
        process.kill()
    assert process.returncode == 0
    assert os.read(reader, 7) == b"before\n"
    os.close(reader)


def test_what_a_script_prints_stays_in_order_with_what_is_written() -> None:
    reads, writes = os.pipe()
    with os.fdopen(reads) as heard, os.fdopen(writes, "w") as stream:  # with a buffer, as every pipe and file
        target = DirectText(stream)
        for number in range(3):
            target.write(f"engine {number}\n")
            print(f"script {number}", file=stream)
        assert [heard.readline().strip() for _ in range(6)] == [
            f"{who} {number}" for number in range(3) for who in ("engine", "script")
        ]


def test_a_stream_that_is_closed_costs_no_descriptor() -> None:
    closed = io.StringIO()
    closed.close()
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(20):
        leave_out_the_rest(closed)
    assert len(list(Path("/dev/fd").iterdir())) == before
