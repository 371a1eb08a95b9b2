"""Vocabulary: every phrase gives a word, emphasis changes weights, and no text makes the parser fail."""

from importlib import resources

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from riffengine.renderer.bundled.vocabulary import HEAVIEST, ROLES, Vocabulary

VOCABULARY = Vocabulary.load()


def read(prompt: str) -> dict[str, float]:
    return {VOCABULARY.words[index]: round(weight, 3) for index, weight in VOCABULARY.parse(prompt).weights}


def test_enough_words_of_every_role() -> None:
    least = {"genre": 20, "instrument": 40, "mood": 20, "mode": 2, "drums": 5, "playing": 5}
    for role in ROLES:
        assert len(VOCABULARY.with_role(role)) >= least[role]
    assert len(set(VOCABULARY.words)) == len(VOCABULARY)
    parts = {part for word in VOCABULARY.with_role("instrument") for part in VOCABULARY.parts(word)}
    assert parts == {"lead", "comp", "bass", "drums"}


def test_every_canonical_word_reads_as_itself() -> None:
    for word in VOCABULARY.words:
        parsed = VOCABULARY.parse(word)
        assert parsed.weights == ((VOCABULARY.index(word), 1.0),)
        assert parsed.unknown == ()


def test_every_synonym_in_the_file_is_understood() -> None:
    text = resources.files("riffengine.renderer.bundled").joinpath("vocabulary.yaml").read_text(encoding="utf-8")
    sections = yaml.safe_load(text)
    several = set(sections["several"])
    tables = [sections[role] for role in ROLES if role in sections] + list(sections["added"].values())
    for table in tables:
        for word, entry in table.items():
            for name in entry["also"] if isinstance(entry, dict) else entry:
                if name not in several and name not in VOCABULARY.words:
                    assert read(str(name)) == {word: 1.0}, name
    for phrase, words in sections["several"].items():
        assert read(phrase) == dict.fromkeys(words, 1.0)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Dark TECHNO!", {"dark": 1.0, "techno": 1.0}),
        ("drum & bass", {"drum and bass": 1.0}),
        ("drum'n'bass", {"drum and bass": 1.0}),
        ("DnB", {"drum and bass": 1.0}),
        ("hip-hop with e-pianos", {"hip hop": 1.0, "electric piano": 1.0}),
        ("LoFi hip hop beats", {"lo-fi": 1.0, "hip hop": 1.0}),
        ("electric pianos and violins", {"electric piano": 1.0, "violin": 1.0}),
        ("piano, electric guitar", {"piano": 1.0, "electric guitar": 1.0}),
        ("electric, piano", {"piano": 1.0}),
        ("no drums", {"no drums": 1.0}),
        ("808", {"808 drums": 1.0}),
        ("bóssa nova", {"bossa nova": 1.0}),
    ],
)
def test_phrases(prompt: str, expected: dict[str, float]) -> None:
    assert read(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("(jazz)", {"jazz": 1.1}),
        ("((jazz))", {"jazz": 1.21}),
        ("[jazz]", {"jazz": 0.909}),
        ("(jazz:1.3) piano", {"jazz": 1.3, "piano": 1.0}),
        ("(jazz piano:.5)", {"jazz": 0.5, "piano": 0.5}),
        ("(dark (jazz:2))", {"dark": 1.1, "jazz": 2.2}),
        ("(jazz:99)", {"jazz": HEAVIEST}),
        ("(jazz:-1)", {"jazz": 0.0}),
        ("jazz (jazz) jazz", {"jazz": 1.1}),
        ("(jazz", {"jazz": 1.0}),
        ("jazz)]", {"jazz": 1.0}),
        ("(jazz]", {"jazz": 1.0}),
        (r"\(jazz\)", {"jazz": 1.0}),
        ("(drum) and bass", {"drum and bass": 1.033}),
    ],
)
def test_emphasis(prompt: str, expected: dict[str, float]) -> None:
    assert read(prompt) == expected


def test_unknown_words_are_reported_once_and_stop_words_are_not() -> None:
    parsed = VOCABULARY.parse("A loop of the purple techno music, with purple xylorimba and some beats")
    assert parsed.unknown == ("purple", "xylorimba")


def test_weights_that_know_fewer_words_have_the_first_ones() -> None:
    fewer = Vocabulary.of_size(116)  # the first weights that shipped
    assert fewer.words == VOCABULARY.words[:116] and fewer.words[-1] == "drum fill"
    assert set(VOCABULARY.words[116:]) == {"melodica", "trio", "band", "fingerpicked", "skank", "montuno"}
    assert fewer.parse("jazz trio with melodica").unknown == ("trio", "melodica")
    assert VOCABULARY.parse("jazz trio with melodica").unknown == ()
    assert [fewer.words[index] for index, _ in fewer.parse("offbeat guitar").weights] == [
        "acoustic guitar",
        "syncopated",
    ]
    assert Vocabulary.of_size(len(VOCABULARY)) is VOCABULARY


def test_suggestions_are_close_and_canonical() -> None:
    assert VOCABULARY.suggest("tecno")[0] == "techno"
    assert VOCABULARY.suggest("saxofone")[0] == "saxophone"
    assert VOCABULARY.suggest("qqqq") == ()
    assert VOCABULARY.suggest("") == ()


def test_an_empty_prompt_has_no_words() -> None:
    assert VOCABULARY.parse("").weights == ()
    assert VOCABULARY.parse("  ,;  ").unknown == ()


@given(st.text())
def test_any_text_is_read(prompt: str) -> None:
    parsed = VOCABULARY.parse(prompt)
    indices = [index for index, _ in parsed.weights]
    assert indices == sorted(set(indices))
    assert all(0.0 <= weight <= HEAVIEST for _, weight in parsed.weights)
    for word in parsed.unknown:
        VOCABULARY.suggest(word)


_pieces = st.sampled_from(
    [*VOCABULARY.words, "(", ")", "[", "]", ":1.2", ":", "\\", ",", "zzyzx", "-3", ":.)", "s", "'"]
)


@given(st.lists(_pieces, max_size=30), st.sampled_from(["", " "]))
def test_any_mix_of_words_and_brackets_is_read(pieces: list[str], glue: str) -> None:
    parsed = VOCABULARY.parse(glue.join(pieces))
    assert all(0.0 <= weight <= HEAVIEST for _, weight in parsed.weights)


@given(st.sets(st.sampled_from(VOCABULARY.words), max_size=6))
def test_words_between_commas_are_all_found(words: set[str]) -> None:
    assert set(read(", ".join(words))) == words
