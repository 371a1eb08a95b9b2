"""The picture of the layers shows every folder, and its arrows stand for every import."""

from __future__ import annotations

import re

from tools import layers_picture
from tools.layers_picture import PACKAGE, PAGE, drawn, imports, layers, reduced, sentence


def test_every_folder_is_in_the_picture_once() -> None:
    names = re.findall(r'font-weight="bold"[^>]*>([\w.]+)/?<', PAGE.read_text(encoding="utf-8"))
    folders = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert sorted(names) == sorted([*folders, "clock.py", "errors.py"])


def test_every_arrow_leads_to_a_lower_layer() -> None:
    floor = {folder: number for number, layer in enumerate(layers()) for folder in layer}
    assert imports() and all(floor[start] < floor[end] for start, end in imports())


def test_arrows_that_are_left_out_follow_from_those_that_are_kept() -> None:
    arrows = {("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}
    assert reduced(arrows) == {("a", "b"), ("b", "c"), ("a", "d")}
    kept, reached = reduced(imports()), imports()
    assert reached <= {(start, end) for start, _ in kept for end in layers_picture.reached(kept, start)}
    assert drawn() <= kept


def test_a_sentence_names_what_a_folder_is() -> None:
    assert sentence("transport") == "Musical time: tempo, beat, bar, quantum and the next boundary."
    assert all(sentence(folder).endswith(".") for layer in layers() for folder in layer)
