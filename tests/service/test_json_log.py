"""The log: JSON lines, rotated files, and a full disk that costs only lines."""

from __future__ import annotations

import io
import json
import resource
from pathlib import Path

import pytest

from riffengine.errors import ServiceError
from riffengine.service.json_log import JsonLog


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_line_says_when_what_and_how_bad(tmp_path: Path) -> None:
    log = JsonLog(tmp_path / "a.log", lambda: 1.8e9)
    log.write("said", 'a "quoted"\nline → ü')
    log.write("underrun", level="warning", facts={"count": 3, "path": Path("x")})
    log.close()
    assert lines(tmp_path / "a.log") == [
        {"time": "2027-01-15T08:00:00.000+00:00", "level": "info", "event": "said", "text": 'a "quoted"\nline → ü'},
        {"time": "2027-01-15T08:00:00.000+00:00", "level": "warning", "event": "underrun", "count": 3, "path": "x"},
    ]


def test_files_are_rotated_and_the_oldest_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    for half in range(2):  # a second start appends to the same file
        log = JsonLog(path, lambda: 1.8e9, most_bytes=2000, keep=3)
        for number in range(100):
            log.write("n", facts={"number": 100 * half + number})
        log.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["a.log", "a.log.1", "a.log.2", "a.log.3"]
    assert all(file.stat().st_size <= 2000 for file in files)
    numbers = [line["number"] for name in ("a.log.3", "a.log.2", "a.log.1", "a.log") for line in lines(tmp_path / name)]
    assert numbers == list(range(int(str(numbers[0])), 200))  # in order, none lost between two files


def test_a_full_disk_costs_lines_and_says_how_many_when_there_is_room_again(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = JsonLog(tmp_path / "a.log", lambda: 1.8e9, most_bytes=10**9)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # the kernel refuses every byte beyond the limit
    try:
        for number in range(100):
            log.write("n", facts={"number": number})
        while log._queue.qsize():
            pass
        while not log.lost:
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.write("after")
    log.close()
    told, after = map(json.loads, (tmp_path / "a.log").read_text("utf-8").splitlines()[-2:])
    assert log.lost > 50
    assert (told["event"], told["lines"], after["event"]) == ("lost", log.lost, "after")


def test_without_a_file_it_goes_to_the_stream() -> None:
    stream = io.StringIO()
    log = JsonLog(None, lambda: 0.0, stream=stream)
    log.write("said", "x")
    log.close()
    assert json.loads(stream.getvalue())["text"] == "x"


def test_a_file_that_cannot_be_made_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="cannot log to"):
        JsonLog(tmp_path / "no folder" / "a.log", lambda: 0.0)
