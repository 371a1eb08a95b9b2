"""The Pure Data client: vanilla objects only (0.51 and later, where netsend receives replies)."""

from __future__ import annotations

import itertools

from tools.clients.layout import DECKS, ENGINE_PORT, PROMPTS, faders, switches, tree, triggers

_COMMENT = (
    "Riffengine: start it with riffengine play \\, then move a slider. Send to another port: a number to riff-port."
)


class Patch:
    """Objects in order, and the cords between them by their numbers."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._cords: list[str] = []

    def put(self, kind: str, x: int, y: int, text: str) -> int:
        """Add an object, a message (``msg``), a number box or a comment (``text``); return its number for ``cord``."""
        self._lines.append(f"#X {kind} {x} {y} {text};")
        return len(self._lines) - 1

    def cord(self, *path: int) -> None:
        """Connect first outlets to first inlets along ``path``."""
        for start, end in itertools.pairwise(path):
            self.wire(start, 0, end, 0)

    def wire(self, start: int, outlet: int, end: int, inlet: int) -> None:
        """Connect one outlet to one inlet."""
        self._cords.append(f"#X connect {start} {outlet} {end} {inlet};")

    def text(self) -> str:
        """The text of the file."""
        return "\n".join(["#N canvas 60 60 1000 640 12;", *self._lines, *self._cords, ""])


def pure_data() -> str:
    """The patch: sliders to ``riff-out``, messages to the engine, its replies to ``riff-in`` and to the sliders."""
    patch, params = Patch(), tree()
    patch.put("text", 20, 12, _COMMENT)
    _network(patch)
    for number, parameter in enumerate(faders(params)):
        x, y = 20 + (number // 4) * 320, 60 + (number % 4) * 46
        send, receive = f"riff-slider-{number}", f"riff-set-{number}"
        low, high = parameter.low, parameter.high
        label = parameter.path.replace("/", "-")
        patch.put(
            "obj",
            x,
            y + 16,
            f"hsl 200 18 {low:g} {high:g} 0 1 {send} {receive} {label} 2 -9 0 12 #fcfcfc #000000 #000000 0 1",
        )
        heard = patch.put("obj", x, y + 400, f"r {send}")
        out = patch.put("msg", x, y + 424, f"\\; riff-out /riff/{parameter.path} \\$1")
        patch.cord(heard, out)
    for number, parameter in enumerate(switches(params)):
        toggle = patch.put(
            "obj",
            20 + number * 320,
            250,
            f"tgl 20 0 riff-tgl-{number} riff-mute-{number} {parameter.path.replace('/', '-')} 26 10 0 12 #fcfcfc #000000 #000000 0 1",
        )
        out = patch.put("msg", 150 + number * 320, 252, f"\\; riff-out /riff/{parameter.path} \\$1")
        patch.cord(toggle, out)
    for number, parameter in enumerate(triggers(params)):
        patch.put("msg", 660, 210 + number * 24, f"\\; riff-out /riff/{parameter.path}")
    for column, deck in enumerate(DECKS):
        for row, words in enumerate(PROMPTS[deck]):
            patch.put("msg", 20 + column * 320, 290 + row * 24, f"\\; riff-out /riff/deck/{deck}/prompt {words}")
    _feedback(patch)
    return patch.text()


def _network(patch: Patch) -> None:
    """``riff-out`` → oscformat → UDP → oscparse → ``riff-in``; the client subscribes to all values at the start."""
    x, y = 660, 330
    out = patch.put("obj", x, y, "r riff-out")
    whole = patch.put("obj", x, y + 24, "list prepend")
    split = patch.put("obj", x, y + 48, "list split 1")
    both = patch.put("obj", x, y + 72, "t b l")
    address = patch.put("obj", x + 60, y + 96, "list prepend set")
    bare = patch.put("obj", x + 60, y + 120, "list trim")
    values = patch.put("obj", x, y + 120, "list")
    bytes_ = patch.put("obj", x, y + 144, "oscformat")
    send = patch.put("obj", x, y + 168, "list prepend send")
    plain = patch.put("obj", x, y + 192, "list trim")
    wire = patch.put("obj", x, y + 240, "netsend -u -b")
    patch.cord(out, whole, split, both)
    patch.wire(split, 1, values, 1)
    patch.wire(both, 1, address, 0)
    patch.cord(address, bare, bytes_)
    patch.wire(both, 0, values, 0)
    patch.cord(values, bytes_, send, plain, wire)
    start = patch.put("obj", x + 180, y + 96, "loadbang")
    port = patch.put("obj", x + 180, y + 120, f"f {ENGINE_PORT}")
    other = patch.put("obj", x + 250, y + 96, "r riff-port")
    connect = patch.put("msg", x + 180, y + 144, "disconnect \\, connect 127.0.0.1 \\$1")
    later = patch.put("obj", x + 180, y + 192, "delay 200")
    ask = patch.put("msg", x + 180, y + 216, "\\; riff-out /riff/notify 1")
    order = patch.put("obj", x + 180, y + 168, "t b f")
    patch.cord(start, port, order)
    patch.cord(other, order)
    patch.wire(order, 1, connect, 0)
    patch.cord(connect, wire)
    patch.cord(order, later, ask)
    parse = patch.put("obj", x, y + 264, "oscparse")
    trim = patch.put("obj", x, y + 288, "list trim")
    riff = patch.put("obj", x + 90, y + 288, "route riff")
    into = patch.put("obj", x + 90, y + 264, "s riff-in")
    shown = patch.put("obj", x + 180, y + 288, "route ok error note landing scheduled synced")
    patch.wire(wire, 1, parse, 0)
    patch.cord(parse, trim, riff, into)
    patch.cord(riff, shown)
    for outlet, name in enumerate(("ok", "error", "note", "landing", "scheduled", "synced")):
        patch.wire(shown, outlet, patch.put("obj", x + 180 + 20 * outlet, y + 312, f"print riff-{name}"), 0)


def _feedback(patch: Patch) -> None:
    """Changes from elsewhere move the sliders; the sliders do not send them back."""
    params = tree()
    wanted = [(p.path, f"riff-set-{n}") for n, p in enumerate(faders(params))]
    wanted += [(p.path, f"riff-mute-{n}") for n, p in enumerate(switches(params))]
    start = patch.put("obj", 20, 560, "r riff-in")
    trim = patch.put("obj", 100, 560, "list trim")
    patch.cord(start, trim)
    routes: dict[str, int] = {"": trim}
    branches: dict[str, dict[str, None]] = {}
    for path, _ in wanted:
        words = path.split("/")
        for depth in range(len(words)):
            branches.setdefault("/".join(words[:depth]), {})[words[depth]] = None
    for count, (at, names) in enumerate(sorted(branches.items(), key=lambda item: item[0].count("/") + bool(item[0]))):
        route = patch.put("obj", 200 + 120 * count, 560 + 24 * (count % 2), f"route {' '.join(names)}")
        patch.wire(*_outlet(at, routes, branches), route, 0)
        routes[at or "/"] = route
    for path, receiver in wanted:
        parent, _, _ = path.rpartition("/")
        set_ = patch.put("msg", 20, 600, f"\\; {receiver} set \\$1")
        start, outlet = routes[parent or "/"], list(branches[parent]).index(path.rpartition("/")[2])
        patch.wire(start, outlet, set_, 0)


def _outlet(at: str, routes: dict[str, int], branches: dict[str, dict[str, None]]) -> tuple[int, int]:
    if not at:
        return routes[""], 0
    parent, _, name = at.rpartition("/")
    return routes[parent or "/"], list(branches[parent]).index(name)
