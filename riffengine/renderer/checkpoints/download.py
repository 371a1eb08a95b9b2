"""Download: copies a checkpoint from the hub into the library, once, and only when asked to.

The hub is whatever ``HF_ENDPOINT`` names, so what it says is foreign: of names, sizes and tags nothing becomes a path
or reaches the terminal as it came.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from riffengine.errors import ModelError, printable
from riffengine.renderer.checkpoints.layout import FLAT_FILES, FLAT_WEIGHTS, SMALL_BYTES, inside, most_bytes, wanted
from riffengine.renderer.checkpoints.model_library import Library, index_of, parts_of

_PARTIAL = ".partial"
_LIST_BYTES = SMALL_BYTES  # of the hub's answer about a model; 100,000 names need about 6 MB
_SPARE_BYTES = 64 << 20  # of the disk stay free
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_UNTRUSTED = "nothing of it is kept: check HF_ENDPOINT, or use another checkpoint"


def download_checkpoint(name: str, library: Library) -> Path:
    """Download the checkpoint ``name`` from the hub into ``library``, unless it is there, and return its folder.

    Takes what is played and no more: each part's safetensors, in full precision before half, and its pickle only where
    there is no other. An interrupted download continues where it was, within a file too. Raises ``ModelError`` when the
    hub cannot be reached, does not know ``name`` or keeps it closed, sends something else than it promised, or the disk
    is full. Of what the hub offers only the files of ``layout`` are taken, each up to its size there, and they are
    written in the checkpoint's folder alone; a hub that offers names which lead elsewhere is refused whole.
    """
    folder = library.place(name)
    if not _lacking(folder):
        return folder
    _download_files(name, folder)
    lacking = _lacking(folder)
    if lacking:
        raise ModelError(
            f"{name} on the hub has no {lacking[0]}: it is not a checkpoint in diffusers layout; use another"
        )
    return folder


def _lacking(folder: Path) -> list[str]:
    """What a checkpoint needs and ``folder`` has not."""
    parts = parts_of(folder)
    if "" in parts:
        index = index_of(folder).name
        files = [index, *(FLAT_FILES if index == FLAT_FILES[0] else ()), FLAT_WEIGHTS]
        return [name for name in files if not (folder / name).is_file()]
    files = ["model_index.json", "scheduler/scheduler_config.json", *(f"{part}/config.json" for part in parts)]
    lacking = [name for name in files if not (folder / name).is_file()]
    if "text_encoder" in parts and not any(
        (folder / "tokenizer" / name).is_file() for name in ("tokenizer.json", "vocab.json")
    ):
        lacking.append("tokenizer")
    return lacking + [f"weights in {part}" for part in parts if not _has_weights(folder, part)]


def _has_weights(folder: Path, part: str) -> bool:
    return any(path for pattern in ("*.safetensors", "*.bin") for path in (folder / part).glob(pattern))


def _download_files(name: str, folder: Path) -> None:
    try:
        import huggingface_hub as hub
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
    except ImportError as error:
        raise ModelError(f"downloading needs huggingface_hub ({error}): pip install 'riffengine[riffusion]'") from error
    # The endpoint as it is now, not as it was when the library was imported.
    endpoint = (os.environ.get("HF_ENDPOINT") or hub.constants.ENDPOINT).rstrip("/")
    try:
        with _printable_log():
            commit, offered = _offer(f"{endpoint}/api/models/{name}", hub)
            for file in wanted(offered):
                if file == FLAT_WEIGHTS and "" not in parts_of(folder):
                    return  # its configuration is there by now, and is of nothing that is played
                if not (folder / file).is_file():
                    _take(hub.hf_hub_url(name, file, revision=commit, endpoint=endpoint), folder, file, hub)
    except ModelError:
        raise
    except GatedRepoError as error:
        raise ModelError(
            f"{name} can be downloaded only by those who accept its terms: do that on its page, sign in with "
            "`hf auth login`, and download it again"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"the hub has no model {name}, or it is private; check the name on the hub's website"
        ) from error
    except Exception as error:  # strange answers make the client raise nearly anything: ValueError, AttributeError …
        raise ModelError(
            f"{name} could not be downloaded ({_first_line(error)}). With a network, `riffengine models get {name}` "
            "continues where it stopped; a copy of its folder from another machine works too; without either, "
            "--model bundled plays the model of the package"
        ) from error


def _offer(url: str, hub: Any) -> tuple[str, list[str]]:
    """The commit that the hub has of a model, ``main`` where it tells none, and the names of the files in it.

    The client's own call reads an answer of any length into memory, so this one counts.
    """
    session, headers = hub.utils.get_session(), hub.utils.build_hf_headers() | {"Accept-Encoding": "identity"}
    options = {"headers": headers, "timeout": hub.constants.HF_HUB_DOWNLOAD_TIMEOUT}
    answer = bytearray()
    # The client speaks through requests or through httpx, as its version is.
    streaming = callable(getattr(session, "stream", None))
    request = session.stream("GET", url, **options) if streaming else session.get(url, stream=True, **options)
    with request as response:
        hub.utils.hf_raise_for_status(response)
        for piece in response.iter_bytes() if streaming else response.iter_content(1 << 16):
            answer += piece
            if len(answer) > _LIST_BYTES:
                raise ModelError(f"the hub's list of files is longer than {_size(_LIST_BYTES)}; {_UNTRUSTED}")
    found = json.loads(answer)
    siblings = found.get("siblings") if isinstance(found, dict) else None
    if not isinstance(siblings, list) or not all(isinstance(each, dict) for each in siblings):
        raise ModelError(f"the hub's answer holds no list of files; {_UNTRUSTED}")
    commit = found.get("sha") or "main"
    if commit != "main" and not (isinstance(commit, str) and _COMMIT.fullmatch(commit)):
        raise ModelError(f"the hub names the commit {printable(repr(commit), 80)}, which is not a commit; {_UNTRUSTED}")
    return commit, [each.get("rfilename") for each in siblings]


class _BoundedFile(io.BufferedWriter):
    """A file that is appended to and refuses to grow beyond ``most`` bytes, with ``refusal``."""

    def __init__(self, path: Path, most: int, refusal: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        super().__init__(io.FileIO(os.open(path, flags, 0o666), "ab"))
        self._most, self._refusal = most, refusal

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self._most:
            raise ModelError(self._refusal)
        return super().write(data)


def _take(url: str, folder: Path, file: str, hub: Any) -> None:
    """One file, written beside its place under a name that tells its content, so that the next download can continue.

    The library's own downloads begin a file anew in every process, and three gigabytes are a long way.
    """
    from huggingface_hub.file_download import http_get

    facts = hub.get_hf_file_metadata(url)
    tag = str(facts.etag or "").strip('"')
    size, most = facts.size, most_bytes(file)
    if size is not None and not 0 <= size <= most:
        raise ModelError(f"the hub says that {file} has {_size(size)}; 0 to {_size(most)} are possible; {_UNTRUSTED}")
    target, partial = inside(folder, file), inside(folder, f"{file}.{_mark(tag)}{_PARTIAL}")
    target.parent.mkdir(parents=True, exist_ok=True)
    for old in target.parent.glob(f"{target.name}.*{_PARTIAL}"):
        if old != partial:  # begun with another content
            old.unlink()
    begun = partial.stat().st_size if partial.exists() else 0
    room = begun + shutil.disk_usage(target.parent).free - _SPARE_BYTES
    if room < (begun + 1 if size is None else size):
        told = "an unknown number of bytes" if size is None else _size(size)
        raise ModelError(
            f"{file} has {told}, and the disk of {folder} has {_size(max(0, room))} left for it; free some space, "
            "or set RIFFENGINE_MODELS to a folder on another disk, and download it again"
        )
    limit = min(most, room) if size is None else size
    sends = f"the hub sends more of {file} than {'possible' if size is None else 'it said'}, {_size(limit)}"
    try:
        with _BoundedFile(partial, limit, f"{sends}; {_UNTRUSTED}") as output:
            if size is None or begun < size:
                headers = hub.utils.build_hf_headers() | {"Accept-Encoding": "identity"}
                named = f"{target.parent.name}/{target.name}"
                http_get(url, output, resume_size=begun, headers=headers, expected_size=size, displayed_filename=named)
    except ModelError:
        partial.unlink(missing_ok=True)
        raise
    if (size is not None and partial.stat().st_size != size) or not _is_whole(partial, tag):
        partial.unlink()
        raise ModelError(f"{file} does not match the checksum of the hub ({printable(tag[:16])}); download it again")
    partial.replace(target)


def _mark(tag: str) -> str:
    """Sixteen hex digits for ``tag`` in a file's name: its own where it is a digest, else the digest of it."""
    return tag[:16] if _DIGEST.fullmatch(tag) else hashlib.sha256(tag.encode("utf-8", "replace")).hexdigest()[:16]


def _is_whole(path: Path, tag: str) -> bool:
    """Whether the file is what ``tag`` names: the SHA-256 of large files, git's name of small ones, else unknown."""
    if not _DIGEST.fullmatch(tag):
        return True
    digest = hashlib.sha256() if len(tag) == 64 else hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            digest.update(piece)
    return digest.hexdigest() == tag


@contextmanager
def _printable_log() -> Iterator[None]:
    """The client logs what servers say in their headers; inside, its lines are printable too."""

    def plain(record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage(), 400), ()
        return True

    handlers = list(logging.getLogger("huggingface_hub").handlers)
    for handler in handlers:
        handler.addFilter(plain)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(plain)


def _size(count: int) -> str:
    return f"{count / 2**30:.4g} GiB" if abs(count) >= 2**30 else f"{count / 2**20:.4g} MiB"


def _first_line(error: BaseException) -> str:
    return printable(next(filter(str.strip, str(error).splitlines()), type(error).__name__))
