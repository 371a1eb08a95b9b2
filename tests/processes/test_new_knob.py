"""A new musical number is one line: in a copy of the package it is declared, and every folder uses it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import riffengine

PACKAGE = Path(riffengine.__file__).parent
LAST_FIELD = "    phase_from_ends: bool = False\n"
DUMMY = LAST_FIELD + '    dummy_knob: float = field(default=0.0, metadata=render_control("less or more", -1, 1))\n'

CHECKS = """
from dataclasses import replace
from types import MappingProxyType
from riffengine.cli.parser import build_parser
from riffengine.cli.render import render_job
from riffengine.performance.command import Command
from riffengine.performance.parameters import standard_tree
from riffengine.performance.scene_morph import plan_scene_morph
from riffengine.performance.scenes import Scene
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.riffusion.batching import picture_of
from riffengine.scheduler.morph_bank import SessionFacts, bank_key
from riffengine.scheduler.quantise import changed_parameters

plain = RenderRequest(MorphEnd("house", 3), MorphEnd("jazz", 4), alpha=0.25)
assert plain.digest() == "d0079b79688d8ff4", "a knob at rest changes no digest"
turned = replace(plain, dummy_knob=0.5)
assert turned.digest() != plain.digest()
assert RenderRequest.from_facts(turned.facts()) == turned
assert picture_of(turned) == picture_of(plain), "a family that does not use it renders nothing anew"

tree = standard_tree()
assert tree["deck/a/dummy_knob"].allowed == "a number from -1 to 1"
assert tree["deck/a/dummy_knob"].help == "Less or more"
assert "transport/quantum_dummy_knob" in tree
state, reply = tree.apply(tree.initial_state(), Command("deck/a/dummy_knob", 0.5, "test"))
session = SessionFacts(8, 44100, "bundled")
before, after = (bank_key(s.deck("a"), s, session) for s in (tree.initial_state(), state))
assert after.request(0.5, 8).dummy_knob == 0.5
assert changed_parameters(after, before) == {"dummy_knob"}

scene = Scene("turned", {"deck/a/dummy_knob": 1.0, "deck/a/seed": 5})
morph, opening = plan_scene_morph(scene, state, tree, 0.0, 4, "test")
assert not opening, "both ends of a bank have it in common, so the deck cannot morph into the scene"

job = render_job(build_parser().parse_args(["render", "--prompt", "house", "--dummy_knob", "-0.5", "-o", "x.wav"]))
assert job.request.dummy_knob == -0.5
"""


def test_a_new_musical_number_is_one_line(tmp_path: Path) -> None:
    copy = tmp_path / "riffengine"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "weights", "pictures"))
    (copy / "weights").symlink_to(PACKAGE / "weights")
    declarations = copy / "processes" / "render_request.py"
    text = declarations.read_text()
    assert text.count(LAST_FIELD) == 1
    declarations.write_text(text.replace(LAST_FIELD, DUMMY))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CHECKS], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
