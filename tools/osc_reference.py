"""Write docs/osc.md from the parameter tree: ``python -m tools.osc_reference [--check]``."""

from __future__ import annotations

import sys

from riffengine.control.osc.answer_budget import PER_BYTE, UNPROVEN
from riffengine.control.osc.inbox import MAX_PLACES, MAX_SENDERS, MAX_WAITING
from riffengine.control.osc.query import TYPES
from riffengine.control.osc.server import DRAIN_STEPS, REST_SECONDS
from riffengine.control.osc.subscribers import MAX_SUBSCRIBERS, SILENT_SECONDS
from riffengine.control.osc.wire import MAX_MESSAGES
from riffengine.engine.command_schedule import MAX_AHEAD_SECONDS
from riffengine.performance.parameter_tree import Parameter, ParameterTree
from riffengine.performance.parameters import standard_tree
from riffengine.renderer.registry import model_shape
from tools.generated_page import ROOT, bring_up_to_date

PAGE = ROOT / "docs" / "osc.md"
COMMAND = "python -m tools.osc_reference"
LONGEST_RANGE = 70


def reference() -> str:
    """The whole page."""
    tree = standard_tree(("a",), model_shape("bundled").stems, cue=True, sound_input=True)
    shown = [tree[path] for path in ("deck/a/prompt", "deck/a/alpha", "deck/a/seed", "deck/a/mute", "panic")]
    return "\n".join([_head(), *_table(tree), _clients(shown), _answers(), _limits()])


def _head() -> str:
    return f"""\
# OSC reference

*Written by `{COMMAND}` from the parameter tree. Do not edit it here.*

The engine listens for OSC over UDP on `127.0.0.1:9000`. `--osc-port`, or `osc: {{port: …}}` in the preset, chooses another
port. The address of a parameter is `/riff/` and its path. A message with a value sets the parameter; a message without one
asks for the value (a trigger fires). Deck `a` stands for every deck of the session (`a` to `d`). The stems are those of the
bundled model. The `cue` addresses exist if the preset has `output: {{cue: true}}`, `capture` and
`follow` with `output: {{input: true}}`.

- The column *type* is the type of a reply. True and false are sent as `i` 1 and 0, because not every program reads `T` and `F`. Send what your
  surface has: every type of OSC 1.0 and 1.1 is read. A fader on a whole number is rounded, and `/riff/note` says so; on a
  switch, half and more is on. A choice takes its name or its number in the list, from 0 on (`/riff/transport/quantum 2` is
  `bar`). Text that spells a number is one, a number where text is wanted is text, and text may come word by word.
- A number out of range is clipped, and `/riff/note` says so.
- Patterns set and ask for several parameters at once: `/riff/deck/*/mute`, `/riff/deck/{{a,b}}/alpha`. Without a value a
  pattern only asks: it fires no trigger.
- A bundle with a time tag in the future is kept until then: immediate and morph parameters change on the frame that is heard
  at that time, quantised ones are requested at that time. `/riff/scheduled path beat seconds` is sent back at once. A time tag that is unreasonably far away, as
  senders without a clock write it, means at once.

## Addresses
"""


def _table(tree: ParameterTree) -> list[str]:
    rows = ["| address | type | range | default | heard | what it is |", "|---|---|---|---|---|---|"]
    described = {row.path: row for row in tree.describe()}
    for path, parameter in tree.parameters.items():
        row = described[path]
        allowed = row.allowed.removeprefix("a number ").removeprefix("a whole number ")
        if len(allowed) > LONGEST_RANGE and parameter.choices:
            allowed = f"{allowed.split(', ')[0]}, {allowed.split(', ')[1]} … {allowed.split(', ')[-1]}"
        cells = (f"`/riff/{path}`", _type(parameter), allowed, row.default, row.control, row.help)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def _type(parameter: Parameter) -> str:
    return {"T": "i", "N": ""}.get(TYPES[parameter.kind], TYPES[parameter.kind])


_EXAMPLES = {"str": "dub techno, warm", "float": 0.4, "int": 77, "bool": 1, "trigger": None}


def _clients(shown: list[Parameter]) -> str:
    return f"""
## Lines to copy

**oscsend** (liblo)

```sh
{_lines(shown, _oscsend)}
oscsend localhost 9000 /riff/notify i 1
```

**Python** (python-osc)

```python
from pythonosc.udp_client import SimpleUDPClient

riff = SimpleUDPClient("127.0.0.1", 9000)
{_lines(shown, _python)}
```

**SuperCollider** (the whole client: `presets/clients/riffengine.scd`)

```supercollider
n = NetAddr("127.0.0.1", 9000);
{_lines(shown, _supercollider)}
n.sendBundle(0.2, ["/riff/deck/a/alpha", 0.4]);  // heard 0.2 s from now, to the frame
```

**Max** (the whole client: `presets/clients/riffengine.maxpat`): message boxes into `[udpsend 127.0.0.1 9000]`. Max sends
from a port that it does not listen on: after `/riff/notify 1 7400` every reply is sent to `[udpreceive 7400]`.

```
{_lines(shown, _max)}
/riff/notify 1 7400
```

**Pure Data** (the whole client: `presets/clients/riffengine.pd`): message boxes into `[s riff-out]` of that patch; replies
come out of `[r riff-in]`. A comma needs a backslash.

```
{_lines(shown, _pd)}
```
"""


def _lines(shown: list[Parameter], write: object) -> str:
    return "\n".join(write(parameter, _EXAMPLES[parameter.kind]) for parameter in shown)  # type: ignore[operator]


def _oscsend(parameter: Parameter, value: object) -> str:
    tag = {"bool": "i", "trigger": ""}.get(parameter.kind, TYPES[parameter.kind])
    words = f'"{value}"' if isinstance(value, str) else "" if value is None else str(value)
    return f"oscsend localhost 9000 /riff/{parameter.path} {tag} {words}".rstrip()


def _python(parameter: Parameter, value: object) -> str:
    return f'riff.send_message("/riff/{parameter.path}", {[] if value is None else repr(value)})'.replace("'", '"')


def _supercollider(parameter: Parameter, value: object) -> str:
    words = f', "{value}"' if isinstance(value, str) else "" if value is None else f", {value}"
    return f'n.sendMsg("/riff/{parameter.path}"{words});'


def _max(parameter: Parameter, value: object) -> str:
    words = f'"{value}"' if isinstance(value, str) else "" if value is None else str(value)
    return f"/riff/{parameter.path} {words}".rstrip()


def _pd(parameter: Parameter, value: object) -> str:
    words = "" if value is None else str(value).replace(",", "\\,")
    return f"/riff/{parameter.path} {words}".rstrip()


def _answers() -> str:
    return """\
## Other addresses, and replies

| you send | you get |
|---|---|
| a value | `/riff/ok path value`; `/riff/landing path beat seconds` if it lands later; `/riff/note path text` if there is something to know |
| nothing | the same address with its value |
| `/riff/notify 1` | `/riff/notified 1`, the value of every parameter, and from then on every change, and every landing that moves |
| `/riff/notify 1 port` | the same, but these and all other replies go to that port of your host |
| `/riff/notify 0` | `/riff/notified 0`; no more changes are sent |
| `/riff/sync n` | `/riff/synced n`, when everything that you sent before has been handled |
| `/riff/status` | `/riff/status.reply name value name value …` |
| `/riff/help` or `/riff/help path` | `/riff/help.reply path kind allowed help`, for all (in bundles) or for one |
| `/riff/proof n` | after `/riff/prove n`, which a subscriber on another machine is sent: everything, from then on ([below](#from-another-machine)) |
| a bundle with a future time tag | `/riff/scheduled path beat seconds` for each of its messages; their other replies follow at that time |
| something that is refused | `/riff/error address reason`, to you alone; nothing changes |
"""


def _limits() -> str:
    return f"""\
Replies go to the address that the datagram came from. The messages of one client are handled in order; if several values
for one address are waiting, only the newest is used. Each client has its own queue of {MAX_WAITING} datagrams (the oldest is
dropped when it is full). One step of each queue is done in turn, at most {DRAIN_STEPS} steps before the engine does
other work for {1000 * REST_SECONDS:g} ms: a flood of messages from one client delays no other client and does not affect the sound. A datagram may hold {MAX_MESSAGES} messages. A
time tag may be {MAX_AHEAD_SECONDS / 60:g} minutes ahead. {MAX_SUBSCRIBERS} clients may subscribe; the one that has been silent longest is replaced by a new one.
{MAX_PLACES} clients, those that were there first, keep a place however many others send at once; the others share {MAX_SENDERS} queues, and
those that send least get them. The engine's own port is refused as a port for replies.
What comes while the engine does other work waits in the system's buffer. On Linux, each of the 16 clients that keep a place
has a buffer of its own there, which nobody else can fill; all others share one. The engine asks for 4 MB for each, which
hold 10,000 small messages; Linux gives at most `net.core.rmem_max`, which is 208 kB (512 messages) unless it is set.

## OSCQuery

`http://127.0.0.1:9000` describes all parameters to programs that use OSCQuery (VDMX, TouchDesigner, Chataigne, libossia). It has
the same port number over TCP, JSON with TYPE, RANGE, VALUE, ACCESS, DESCRIPTION, UNIT, CLIPMODE and TAGS, `?HOST_INFO`,
and a WebSocket that takes LISTEN and IGNORE. It is announced as `_oscjson._tcp` and `_osc._udp`, on loopback only while OSC
listens on loopback only. It is read-only. `osc: {{query: false}}` in the preset turns it off, `osc: {{announce: false}}` the announcement.

```sh
curl http://127.0.0.1:9000/riff/deck/a/alpha
curl 'http://127.0.0.1:9000/?HOST_INFO'
```

## From another machine

OSC has no password, so by default the engine accepts it from this machine only. To allow others:

```sh
riffengine play --osc-bind 0.0.0.0 --osc-allow 192.168.1.20 --osc-allow 10.0.0.0/24
```

or in the preset `osc: {{host: 0.0.0.0, allow: [192.168.1.20]}}`. Messages from an address that is not on the list are
ignored, without a reply; this machine is always allowed. Without a list everyone in the network can play, and a message at the start says so.

A datagram does not prove where it comes from. So a machine that is not on the list is sent at most {PER_BYTE} bytes for each byte that came
from it and {UNPROVEN.most / 1024:g} KiB beyond, enough for the replies to what it sends and for one look at all values. To be sent more, a client
answers `/riff/prove n`, which comes after `/riff/notified 1`, by `/riff/proof n` with the same number; or name its address with `--osc-allow`.
A subscription from another machine ends after {SILENT_SECONDS / 60:g} minutes in which nothing came from there, with `/riff/notified 0`: send something,
such as `/riff/sync 1`, every minute. `init` from another machine takes only files in the folder of the preset, and the pictures of the package. `/riff/status` counts what was not sent as `withheld`.
"""


if __name__ == "__main__":
    sys.exit(bring_up_to_date(PAGE, reference(), COMMAND))
