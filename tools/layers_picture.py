"""Write docs/layers.svg, the picture of the package's folders: ``python -m tools.layers_picture [--check]``.

The layers are those of the import contract in ``pyproject.toml``, the sentences are the first ones of each folder's
``__init__.py``, and the arrows are the imports in the source. The layout is that of Sugiyama et al. 1981: a row for
each layer, places in a row sorted by the mean place of their neighbours, long arrows led through the rows between.
"""

from __future__ import annotations

import ast
import random
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache
from html import escape
from itertools import combinations, pairwise

from tools.generated_page import ROOT, bring_up_to_date

PAGE = ROOT / "docs" / "layers.svg"
COMMAND = "python -m tools.layers_picture"
PACKAGE = ROOT / "riffengine"
BASE = ("clock", "errors")  # modules that every folder may import: their arrows would only cover the others

Arrow = tuple[str, str]

_WIDTH = 1080
_MARGIN = 16
_ROW_GAP = 34  # space for the arrows between two rows
_BOX_GAP = 22
_LANE = 2  # width that a long arrow gets in a row that it passes, without the gaps beside it
_LANE_GAP = 13
_LINE = 15
_CHARACTER = 6.5  # mean width of a character at 12 pixels, in a wide font
_BOX_WIDTHS = {1: 420, 2: 310, 3: 262}
_NARROWEST = 236
_STARTS = 60  # orders that the layout is tried from
_SWEEPS = 12
_CROSSING = 120.0  # one crossing of two arrows is as bad as this many pixels of their length
_ROW_COLOURS = ("#eef5fb", "#f6f8f1")
_ARROW_COLOURS = ("#1565c0", "#b71c1c", "#2e7d32", "#6a1b9a", "#00838f", "#d84315", "#4e342e")  # one for each folder


def layers() -> list[list[str]]:
    """The rows of the picture, top first: the layers of the package's import contract."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for contract in tomllib.loads(text)["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers" and contract["containers"] == ["riffengine"]:
            return [re.split(r" [|:] ", layer) for layer in contract["layers"]]
    raise SystemExit("pyproject.toml has no layers contract for riffengine")


def sentence(folder: str) -> str:
    """What a folder or module is: the first sentence of its docstring, without the quotes around code."""
    path = PACKAGE / folder / "__init__.py"
    source = path if path.is_file() else PACKAGE / f"{folder}.py"
    first = (ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    text = re.split(r"(?<=\.) ", first.replace("``", "").replace("\n", " "))[0]
    plain = re.sub(rf"^(the )?{folder}s?: ", "", text, flags=re.IGNORECASE)  # the name stands above it in the picture
    return plain[:1].upper() + plain[1:]


def data_folders() -> list[str]:
    """The folders of the package that hold no code."""
    folders = (path for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__")
    return sorted(path.name for path in folders if not any(path.rglob("*.py")))


@cache
def imports() -> frozenset[Arrow]:
    """Every pair of folders of which the first imports the second when it runs, in a function too."""
    names = {folder for layer in layers() for folder in layer}
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        folder = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in _imported(ast.parse(path.read_text(encoding="utf-8"))):
            target = name.split(".")[1] if name.startswith("riffengine.") else ""
            if folder in names and target in names - {folder}:
                found.add((folder, target))
    return frozenset(found)


def _imported(tree: ast.AST) -> Iterable[str]:
    """The dotted names that a module imports, but those for type checking only."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test):
        return
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        yield from (f"{tree.module}.{alias.name}" for alias in tree.names)
    for child in ast.iter_child_nodes(tree):
        yield from _imported(child)


def reduced(arrows: AbstractSet[Arrow]) -> set[Arrow]:
    """``arrows`` without those whose end is reached from their begin through other folders too."""
    return {(start, end) for start, end in arrows if end not in reached(arrows - {(start, end)}, start)}


def reached(arrows: AbstractSet[Arrow], start: str) -> set[str]:
    """Every folder that arrows lead to from ``start``, through others too."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        fresh = {end for begin, end in arrows if begin == here} - found
        found |= fresh
        waiting += fresh
    return found


def drawn() -> set[Arrow]:
    """The arrows of the picture."""
    return {(start, end) for start, end in reduced(imports()) if end not in BASE}


@dataclass
class _Place:
    """A box, or the lane of a long arrow in a row that it passes (``folder`` is empty)."""

    folder: str
    row: int
    width: float
    x: float = 0.0  # of the middle
    up: list[_Place] = field(default_factory=list)
    down: list[_Place] = field(default_factory=list)


def _placed(rows: list[list[str]], arrows: set[Arrow]) -> tuple[list[list[_Place]], list[list[_Place]]]:
    """The places of each row from left to right, and the places that each arrow touches from top to bottom."""
    grid = [
        [_Place(folder, number, _BOX_WIDTHS.get(len(row), _NARROWEST)) for folder in row]
        for number, row in enumerate(rows)
    ]
    boxes = {place.folder: place for row in grid for place in row}
    ways = []
    for start, end in sorted(arrows):
        top, bottom = boxes[start], boxes[end]
        lanes = [_Place("", number, _LANE) for number in range(top.row + 1, bottom.row)]
        for lane in lanes:
            grid[lane.row].append(lane)
        way = [top, *lanes, bottom]
        for upper, lower in pairwise(way):
            upper.down.append(lower)
            lower.up.append(upper)
        ways.append(way)
    best, least = [[(place, place.x) for place in row] for row in grid], float("inf")
    for seed in range(_STARTS):
        order = random.Random(seed)
        for row in grid:
            order.shuffle(row)
            _spread(row, {id(place): _WIDTH / 2 for place in row})
        for sweep in range(_SWEEPS):
            _sweep(grid, upwards=sweep % 2 == 0, last=sweep >= _SWEEPS - 4)
            if _cost(grid) < least:
                best, least = [[(place, place.x) for place in row] for row in grid], _cost(grid)
    for kept in best:
        for place, x in kept:
            place.x = x
    return [[place for place, _ in kept] for kept in best], ways


def _sweep(grid: list[list[_Place]], upwards: bool, last: bool) -> None:
    """Sort each row by the mean place of the neighbours in the row before, and in the ``last`` sweeps in both."""
    for row in reversed(grid) if upwards else grid:
        wanted = {}
        for place in row:
            near = [*place.up, *place.down] if last else place.down or place.up if upwards else place.up or place.down
            wanted[id(place)] = sum(other.x for other in near) / len(near) if near else _WIDTH / 2
        row.sort(key=lambda place: (wanted[id(place)], place.x))
        _spread(row, wanted)


def _cost(grid: list[list[_Place]]) -> float:
    """How hard the arrows are to follow: their length sideways, their crossings, and what does not fit in a row."""
    cost = 0.0
    for row in grid:
        steps = [(place.x, below.x) for place in row for below in place.down]
        cost += sum(abs(x - below) for x, below in steps)
        crossings = sum((x - y) * (below - beneath) < 0 for (x, below), (y, beneath) in combinations(steps, 2))
        cost += _CROSSING * crossings
        cost += 100.0 * max(0.0, _MARGIN - (row[0].x - row[0].width / 2)) if row else 0.0
    return cost


def _spread(row: list[_Place], wanted: Mapping[int, float]) -> None:
    """Give every place an ``x`` near the wanted one, in the order of the row and without overlap.

    Places that want to overlap become a block, whose left edge is the mean of what its members want.
    """
    blocks: list[tuple[float, list[_Place]]] = []
    for place in row:
        left, members = wanted[id(place)] - place.width / 2, [place]
        while blocks and blocks[-1][0] + _length([*blocks[-1][1], members[0]]) - members[0].width > left:
            before_left, before = blocks.pop()
            offset = _length([*before, members[0]]) - members[0].width
            share = len(before) / (len(before) + len(members))
            left, members = before_left * share + (left - offset) * (1 - share), [*before, *members]
        blocks.append((left, members))
    edge = float(_MARGIN)
    for left, members in blocks:
        edge = max(edge, left)
        for number, place in enumerate(members):
            edge += _gap(members[number - 1], place) if number else 0.0
            place.x = edge + place.width / 2
            edge += place.width
        edge += _BOX_GAP
    limit = float(_WIDTH - _MARGIN)
    for number, place in reversed(list(enumerate(row))):
        place.x = min(place.x, limit - place.width / 2)
        limit = place.x - place.width / 2 - (_gap(row[number - 1], place) if number else 0.0)


def _gap(left: _Place, right: _Place) -> float:
    return _BOX_GAP if left.folder and right.folder else _LANE_GAP


def _length(members: list[_Place]) -> float:
    return sum(place.width for place in members) + sum(_gap(left, right) for left, right in pairwise(members))


def picture() -> str:
    """The whole file."""
    rows, arrows = layers(), drawn()
    floor = {folder: number for number, row in enumerate(rows) for folder in row}
    upward = [f"{start} → {end}" for start, end in sorted(imports()) if floor[start] >= floor[end]]
    if upward:
        raise SystemExit(f"imports that do not lead to a lower layer: {', '.join(upward)}")
    grid, ways = _placed(rows, arrows)
    tops: list[float] = []
    heights: list[float] = []
    y = 52.0
    for row in grid:
        tops.append(y)
        heights.append(max(22 + _LINE * len(_wrapped(place)) for place in row if place.folder) + 6)
        y += heights[-1] + _ROW_GAP
    lines = [*_head(y + 8)]
    for number, (top, height) in enumerate(zip(tops, heights, strict=True)):
        lines.append(
            f'<rect x="0" y="{top - _ROW_GAP / 2:g}" width="{_WIDTH}" height="{height + _ROW_GAP:g}" '
            f'fill="{_ROW_COLOURS[number % 2]}"/>'
        )
    names = [folder for row in rows for folder in row]
    for way in ways:
        lines += _curve(way, tops, heights, _ARROW_COLOURS[names.index(way[0].folder) % len(_ARROW_COLOURS)])
    for number, row in enumerate(grid):
        for place in row:
            if place.folder:
                lines += _box(place, tops[number], heights[number])
    lines.append(
        f'<text x="{_MARGIN}" y="{y + 2:g}" font-size="12" fill="#455a64">Folders without code, in no layer: '
        f"{', '.join(f'{name}/' for name in data_folders())}</text>"
    )
    return "\n".join([*lines, "</svg>", ""])


def _head(height: float) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" font-size="14" '
        'font-family="system-ui, sans-serif" role="img" aria-labelledby="t d">',
        '<title id="t">The folders of riffengine in their layers</title>',
        f'<desc id="d">Written by {COMMAND}. A folder imports only folders in the rows below its own.</desc>',
        f'<rect width="{_WIDTH}" height="{height:g}" fill="#ffffff"/>',
        f'<text x="{_MARGIN}" y="22" fill="#263238">An arrow is an import; the arrows of one folder have one colour. '
        "All arrows lead downwards.</text>",
    ]


def _wrapped(place: _Place) -> list[str]:
    inside = sorted(path.parent.name for path in (PACKAGE / place.folder).glob("*/__init__.py"))
    lines = textwrap.wrap(sentence(place.folder), int((place.width - 16) / _CHARACTER))
    return [*lines, *([f"Folders: {', '.join(inside)}"] if inside else [])]


def _box(place: _Place, top: float, height: float) -> list[str]:
    name = f"{place.folder}/" if (PACKAGE / place.folder).is_dir() else f"{place.folder}.py"
    left = place.x - place.width / 2
    return [
        f'<rect x="{left:.1f}" y="{top:g}" width="{place.width:g}" height="{height:g}" rx="6" fill="#ffffff" '
        'stroke="#37474f"/>',
        f'<text x="{left + 10:.1f}" y="{top + 19:g}" font-weight="bold" fill="#263238">{name}</text>',
        *(
            f'<text x="{left + 10:.1f}" y="{top + 19 + _LINE * (number + 1):g}" font-size="12" fill="#455a64">'
            f"{escape(line)}</text>"
            for number, line in enumerate(_wrapped(place))
        ),
    ]


def _port(place: _Place, other: _Place, others: list[_Place]) -> float:
    """Where the arrow to ``other`` touches ``place``: its arrows are spread over the edge by their direction."""
    order = sorted(range(len(others)), key=lambda index: (others[index].x, index))
    index = next(number for number, one in enumerate(order) if others[one] is other)
    usable = min(place.width - 40.0, 36.0 * (len(others) - 1))
    return place.x if len(others) < 2 else place.x - usable / 2 + usable * index / (len(others) - 1)


def _curve(way: list[_Place], tops: list[float], heights: list[float], colour: str) -> list[str]:
    first, last = way[0], way[-1]
    x = _port(first, way[1], first.down)
    y = tops[first.row] + heights[first.row]
    path = [f"M{x:.1f} {y:g}"]
    for place in way[1:]:
        goal = _port(last, way[-2], last.up) if place is last else place.x
        top = tops[place.row]
        path.append(f"C{x:.1f} {(y + top) / 2:g} {goal:.1f} {(y + top) / 2:g} {goal:.1f} {top:g}")
        x, y = goal, top
        if place is not last:
            y = top + heights[place.row]
            path.append(f"L{x:.1f} {y:g}")
    return [
        f'<path d="{" ".join(path)}" fill="none" stroke="{colour}" stroke-width="1.4"/>',
        f'<path d="M{x - 4.5:.1f} {y - 9:g}L{x + 4.5:.1f} {y - 9:g}L{x:.1f} {y:g}z" fill="{colour}"/>',
    ]


if __name__ == "__main__":
    sys.exit(bring_up_to_date(PAGE, picture(), COMMAND))
