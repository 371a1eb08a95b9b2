"""The scan, its catalogue and the blacklist, with plugins that misbehave, and with real ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from riffengine.errors import PluginError
from riffengine.plugins.blacklist import Blacklist
from riffengine.plugins.catalogue import Catalogue, ScannedPlugin, reference_of
from riffengine.plugins.registry import Listed, PluginFile, lv2_bundles, plugin_files, short_place
from riffengine.plugins.scan import probed, scan
from tests.plugins.conftest import OpenPlugin
from tests.plugins.test_formats import CALF, DPL, LSP, ZAM_MAXIMIZER
from tests.plugins.witness import build

TEST = "lv2:urn:riffengine:test:"
LIMIT = 10.0  # a hanging plugin is waited for that long; the others must start in it on a busy machine


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "plugins.json")


@pytest.fixture
def blacklist(tmp_path: Path) -> Blacklist:
    return Blacklist(tmp_path / "blacklist.json")


def test_every_kind_of_end_is_told_apart(
    catalogue: Catalogue, blacklist: Blacklist, witness_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path / "more", ("hang",))
    monkeypatch.setenv("LV2_PATH", f"{witness_path}:{tmp_path / 'more'}")
    (tmp_path / "more" / "witness.lv2").rename(tmp_path / "more" / "hang.lv2")
    reported: list[ScannedPlugin] = []
    count = scan(plugin_files(), catalogue, blacklist, 7.0, reported.append, limit_seconds=LIMIT)
    rows = {plugin.reference.removeprefix(TEST): plugin for plugin in catalogue.plugins()}
    assert {name: row.verdict for name, row in rows.items()} == {
        "witness": "ran", "crash": "crashed", "hang": "hung", "nan": "not finite", "refuse": "refused",
    }  # fmt: skip
    assert (count.plugins, count.run_now, count.gone) == (5, 5, 0)
    assert {row.reference for row in reported} == {row.reference for row in rows.values()}
    assert rows["nan"].reason.startswith("NaN in 1032 blocks, the last after 2.99 s")
    assert rows["crash"].reason == "signal 11 while it runs"
    assert rows["hang"].reason == f"no sign of life for {LIMIT:g} s while it runs"
    assert "refused as the test wants it" in rows["refuse"].reason
    assert rows["witness"].repeatable and not rows["witness"].keeps_nan
    assert (rows["witness"].inputs, rows["witness"].outputs, rows["witness"].midi_in) == (2, 2, True)
    blames = blacklist.entries()
    assert set(blames) == {f"{TEST}crash", f"{TEST}hang"}
    assert blames[f"{TEST}crash"].reason == "crashed: signal 11 while it runs"
    assert blames[f"{TEST}crash"].since == 7.0


@pytest.mark.usefixtures("witness_path")
def test_a_second_scan_runs_nothing_until_a_file_changes(
    tmp_path: Path, blacklist: Blacklist, witness_folder: Path
) -> None:
    path = tmp_path / "plugins.json"
    scan(plugin_files(), Catalogue(path), blacklist, 0.0, limit_seconds=LIMIT)
    before = path.read_bytes()
    again = scan(plugin_files(), Catalogue(path), blacklist, 0.0, limit_seconds=LIMIT)
    assert again.run_now == 0
    assert path.read_bytes() == before
    os.utime(witness_folder / "witness.lv2" / "witness.so")
    changed = scan(plugin_files(), Catalogue(path), blacklist, 0.0, limit_seconds=LIMIT)
    assert changed.run_now == 4
    assert scan((), Catalogue(path), blacklist, 0.0).gone == 1
    assert not list(Catalogue(path).plugins())


@pytest.mark.usefixtures("witness_path")
def test_a_scan_that_was_stopped_goes_on_where_it_was(catalogue: Catalogue, blacklist: Blacklist) -> None:
    class Stop(Exception):
        pass

    def stop(_: ScannedPlugin) -> None:
        raise Stop

    with pytest.raises(Stop):
        scan(plugin_files(), catalogue, blacklist, 0.0, stop, limit_seconds=LIMIT)
    count = scan(plugin_files(), Catalogue(catalogue.path), blacklist, 0.0, limit_seconds=LIMIT)
    assert (count.plugins, count.run_now) == (4, 3)


@pytest.mark.usefixtures("witness_path")
def test_who_is_forgiven_is_run_again(catalogue: Catalogue, blacklist: Blacklist) -> None:
    scan(plugin_files(), catalogue, blacklist, 0.0, limit_seconds=LIMIT)
    with pytest.raises(PluginError, match=r"blacklist: crashed: signal 11 while it runs.*forgive"):
        blacklist.check(f"{TEST}crash")
    assert blacklist.forgive(f"{TEST}crash")
    assert not blacklist.forgive(f"{TEST}crash")
    blacklist.check(f"{TEST}crash")
    catalogue.forget(f"{TEST}crash")
    assert scan(plugin_files(), catalogue, blacklist, 0.0, limit_seconds=LIMIT).run_now == 1


@pytest.mark.usefixtures("witness_path")
def test_a_plugin_that_was_mended_is_taken_off_the_list(catalogue: Catalogue, blacklist: Blacklist) -> None:
    blacklist.add(f"{TEST}witness", "crashed: signal 11, in its older version", 0.0, scanned=True)
    blacklist.add(f"{TEST}nan", "three deaths in a set", 0.0)
    scan(plugin_files(), catalogue, blacklist, 0.0, limit_seconds=LIMIT)
    assert set(blacklist.entries()) == {f"{TEST}crash", f"{TEST}nan"}


def test_real_plugins_are_measured(opened: OpenPlugin) -> None:
    for reference, latency in ((DPL, 56), (LSP, 220), (ZAM_MAXIMIZER, 480), (CALF, 0)):
        opened(reference)  # skips where it is not installed
        row = probed(Listed(reference, reference))
        assert (row.verdict, row.reason, row.latency_frames) == ("ran", "", latency)
        assert 0 < row.median_us <= row.p99_us
        assert row.repeatable and row.parameters > 0 and row.state_bytes > 0
        assert row.kind == "effect"


def test_a_file_that_cannot_be_read_is_one_row(tmp_path: Path, catalogue: Catalogue, blacklist: Blacklist) -> None:
    wrong = tmp_path / "wrong.clap"
    wrong.write_bytes(b"nothing")
    scan((PluginFile("clap", wrong),), catalogue, blacklist, 0.0)
    (row,) = catalogue.plugins()
    assert (row.verdict, row.name) == ("refused", "wrong")
    assert "no CLAP plugin" in row.reason
    assert scan((PluginFile("clap", wrong),), Catalogue(catalogue.path), blacklist, 0.0).run_now == 0


@pytest.mark.parametrize("text", ["", "[]", "{", '{"host": "older", "files": {}}', '{"host": 1, "files": []}'])
def test_a_damaged_catalogue_is_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plugins.json"
    path.write_text(text)
    assert not list(Catalogue(path).plugins())
    assert not Blacklist(path).entries()


def test_a_row_of_another_form_is_scanned_again(tmp_path: Path, catalogue: Catalogue, blacklist: Blacklist) -> None:
    wrong = tmp_path / "wrong.clap"
    wrong.write_bytes(b"nothing")
    scan((PluginFile("clap", wrong),), catalogue, blacklist, 0.0)
    kept = json.loads(catalogue.path.read_bytes())
    kept["files"][str(wrong)]["plugins"][0]["surprise"] = 1
    catalogue.path.write_text(json.dumps(kept))
    assert not Catalogue(catalogue.path).files


def test_plugins_are_found_by_name(catalogue: Catalogue, tmp_path: Path, blacklist: Blacklist) -> None:
    from riffengine.plugins.catalogue import FileRecord

    rows = (
        ScannedPlugin("lv2:urn:a", "lv2", "ran", name="Echo"),
        ScannedPlugin("clap:a.clap#a", "clap", "ran", name="Echo"),
        ScannedPlugin("lv2:urn:b", "lv2", "ran", name="Echo Deluxe"),
        ScannedPlugin("lv2:urn:hall", "lv2", "ran", name="Dragon Hall"),
    )
    catalogue.files["x"] = FileRecord("lv2", 0, 0, tuple(Listed(row.reference, row.name) for row in rows), rows)
    assert catalogue.find("echo").reference == "lv2:urn:a"
    assert catalogue.find("clap:a.clap#a").format == "clap"
    assert catalogue.find("deluxe").name == "Echo Deluxe"
    assert catalogue.find("HALL").name == "Dragon Hall"
    with pytest.raises(PluginError, match="fits 3 plugins, among them Echo, Echo Deluxe"):
        catalogue.find("ech")
    with pytest.raises(PluginError, match="no plugin is named reverb"):
        catalogue.find("reverb")
    with pytest.raises(PluginError, match="plugins scan"):
        Catalogue(tmp_path / "none.json").find("reverb")


def test_a_name_becomes_a_reference(tmp_path: Path, witness_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_STATE_HOME": str(tmp_path / "state")}
    catalogue, blacklist = Catalogue.standard(environment), Blacklist.standard(environment)
    scan(plugin_files(), catalogue, blacklist, 0.0, limit_seconds=LIMIT)
    assert reference_of("test witness", environment) == f"{TEST}witness"
    assert reference_of("lv2:urn:anything", environment) == "lv2:urn:anything"
    with pytest.raises(PluginError, match="refused when it was scanned"):
        reference_of("refuse", environment)
    with pytest.raises(PluginError, match="on the blacklist"):
        reference_of(f"{TEST}crash", environment)
    blacklist.add(f"{TEST}witness", "three deaths in a minute", 0.0)
    with pytest.raises(PluginError, match="three deaths in a minute"):
        reference_of("test witness", environment)


def test_folders_come_from_the_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("one", "two"):
        bundle = tmp_path / folder / "same.lv2"
        bundle.mkdir(parents=True)
        (bundle / "manifest.ttl").write_text("@prefix x: <urn:x#> .\n<urn:whole> a x:Plugin . x:short a x:Plugin .")
    (tmp_path / "one" / "maker").mkdir()
    (tmp_path / "one" / "maker" / "deep.clap").write_bytes(b"")
    (tmp_path / "one" / "no-bundle").mkdir()
    monkeypatch.setenv("LV2_PATH", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    monkeypatch.setenv("CLAP_PATH", str(tmp_path / "one"))
    monkeypatch.setenv("VST3_PATH", str(tmp_path / "none"))
    files = plugin_files()
    assert [(file.format, file.path.name) for file in files] == [("clap", "deep.clap"), ("lv2", "same.lv2")]
    assert short_place(files[0]) == "maker/deep.clap"
    bundle = tmp_path / "one" / "same.lv2"  # the first folder hides the second
    assert lv2_bundles("urn:whole", files) == lv2_bundles("urn:x#short", files) == (bundle,)
    assert lv2_bundles("urn:other", files) == ()
