"""MessagePipe: neither end waits for the other, whatever the size of a message and wherever the other one stops."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

from riffengine.processes import message_pipe
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.message_pipe import MessagePipe

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="on Windows a large message may wait")

LARGE = bytes(range(256)) * 8000  # 2 MB, ten times what the pipe takes
_BOUND_SECONDS = 60.0  # of what returns at once; a wait for the other end would be without end


def ends() -> tuple[MessagePipe[object, object], Connection]:
    ours, theirs = Pipe()
    return MessagePipe(ours), theirs


def returns(call: Callable[[], object]) -> bool:
    """Whether ``call`` returns although nobody reads."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(_BOUND_SECONDS)
    return not thread.is_alive()


def all_of(pipe: MessagePipe[object, object], theirs: Connection, count: int) -> list[object]:
    """``count`` messages as the ``Connection`` at the other end reads them, while ``pipe`` is flushed."""
    got: list[object] = []
    reader = threading.Thread(target=lambda: got.extend(theirs.recv() for _ in range(count)), daemon=True)
    reader.start()
    while reader.is_alive():
        pipe.flush()
        reader.join(0.001)
    return got


def test_a_large_message_to_an_end_that_does_not_read_is_kept_and_arrives_whole() -> None:
    pipe, theirs = ends()
    assert returns(lambda: [pipe.send(message) for message in (LARGE, "small", LARGE)])
    assert pipe.unsent == 3
    assert all_of(pipe, theirs, 3) == [LARGE, "small", LARGE]
    assert pipe.unsent == 0 and pipe.open
    pipe.close()
    theirs.close()


def test_a_message_that_comes_in_pieces_is_received_when_it_is_whole() -> None:
    ours, theirs = Pipe()
    pipe: MessagePipe[object, object] = MessagePipe(ours)
    read, write = os.pipe()
    Connection(write, readable=False).send([1, "two"])
    data = os.read(read, 1 << 16)
    os.close(read)
    for byte in data[:-1]:
        os.write(theirs.fileno(), bytes([byte]))
        assert pipe.receive() == ([], True)
    os.write(theirs.fileno(), data[-1:] + data + data[:3])
    assert pipe.receive() == ([[1, "two"], [1, "two"]], True)
    theirs.close()
    assert pipe.receive() == ([], False), "the other end has gone within a message"
    pipe.close()


def test_what_a_connection_sends_is_received_and_the_last_messages_come_before_the_end() -> None:
    pipe, theirs = ends()
    sender = threading.Thread(target=lambda: [theirs.send(message) for message in (LARGE, None, "last")], daemon=True)
    sender.start()
    got: list[object] = []
    while len(got) < 3:
        pipe.wait(1.0)
        messages, connected = pipe.receive()
        got += messages
        assert connected
    sender.join()
    theirs.send("after")
    theirs.close()
    assert got == [LARGE, None, "last"]
    assert pipe.receive() == (["after"], False) and pipe.receive() == ([], False)
    pipe.close()


def test_messages_longer_than_two_gigabytes_have_the_header_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_pipe, "_LONGEST", 100)
    pipe, theirs = ends()
    pipe.send(LARGE)
    assert all_of(pipe, theirs, 1) == [LARGE]
    pipe.close()
    theirs.close()
    ours, other = Pipe()
    first: MessagePipe[object, object] = MessagePipe(ours)
    second: MessagePipe[object, object] = MessagePipe(other)
    first.send(b"x" * 1000)
    assert second.receive() == ([b"x" * 1000], True)
    first.close()
    second.close()


def test_an_end_that_has_gone_takes_no_messages_and_nothing_is_kept_for_it() -> None:
    pipe, theirs = ends()
    pipe.send(LARGE)
    theirs.close()
    pipe.flush()
    pipe.send("more")
    assert not pipe.open and pipe.unsent == 0
    pipe.close()


def count_bytes(options: bytes, connection: Connection) -> None:
    connection.send((len(options), os.getpid()))
    while (data := connection.recv()) != b"":
        connection.send((len(data), 0))


Counter = ChildProcess[bytes, bytes, tuple[int, int]]


def answer(child: Counter) -> tuple[int, int]:
    for _ in range(round(_BOUND_SECONDS / 0.01)):
        said, connected = child.receive()
        if said:
            return said[0]
        assert connected
        child.join(0.01)
    raise AssertionError("no answer")


def test_large_options_of_a_start_follow_while_the_child_imports() -> None:
    child: Counter = ChildProcess("test", count_bytes, LARGE)
    child.start()
    assert child.unsent == 1, "it has not waited until the new process has read all of them"
    assert answer(child)[0] == len(LARGE)
    child.finish(b"", _BOUND_SECONDS)


def test_a_large_message_to_a_child_that_is_stopped_waits_in_the_engine_and_the_child_can_still_be_killed() -> None:
    child: Counter = ChildProcess("test", count_bytes, b"")
    child.start()
    _, pid = answer(child)
    os.kill(pid, signal.SIGSTOP)
    assert returns(lambda: child.send(LARGE)) and child.unsent == 1
    os.kill(pid, signal.SIGCONT)
    assert answer(child)[0] == len(LARGE)
    os.kill(pid, signal.SIGSTOP)
    assert returns(lambda: child.send(LARGE))
    child.close()
    assert not child.alive


def half_a_message(options: bytes, connection: Connection) -> None:
    os.write(connection.fileno(), b"\0\0\1\0half")
    os.kill(os.getpid(), signal.SIGSTOP)


def test_a_child_that_is_stopped_in_the_middle_of_its_answer_makes_nobody_wait() -> None:
    child: Counter = ChildProcess("test", half_a_message, b"")
    child.start()
    assert child.pid is not None
    os.waitpid(child.pid, os.WUNTRACED)
    assert returns(child.receive) and child.receive() == ([], True)
    child.close()
    assert not child.alive
