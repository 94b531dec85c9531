"""Names that refer to the same file."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magn_cli.errors import UsageError
from magn_cli.files import check_collisions, collision_key, first_collision
from magn_cli.files.find import is_left_alone

# Surrogates stand for bytes that are no UTF-8.
NAMES = st.text(st.characters(exclude_characters="/\\\0"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
FORMS = st.sampled_from(["NFC", "NFD"])


@given(NAMES, FORMS)
def test_a_key_is_that_of_all_spellings(name, form):
    key = collision_key(name)
    assert collision_key(key) == key
    assert collision_key(unicodedata.normalize(form, name)) == key
    assert collision_key(name.casefold()) == key
    assert collision_key(unicodedata.normalize(form, unicodedata.normalize("NFD", name).casefold())) == key


@given(st.lists(st.tuples(NAMES, NAMES), max_size=8))
def test_what_is_let_through_has_different_names_everywhere(pairs):
    if (two := first_collision(pairs)) is None:
        for form in ("NFC", "NFD"):
            spelled = {
                unicodedata.normalize(form, unicodedata.normalize(form, name).casefold()) for _, name in pairs
            }
            assert len(spelled) == len(pairs)
    else:
        names = [name for thing, name in pairs if thing in two]
        assert len({collision_key(name) for name in names}) < len(names)


@given(NAMES)
def test_plain_ascii_names_that_differ_stay_apart(name):
    assert collision_key(f"a{name}") != collision_key(f"b{name}")
    assert collision_key(f"x/{name}") != collision_key(f"y/{name}")


def test_one_output_by_two_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_collisions([(Path("a.jpg"), Path("out/a.png")), (Path("b.jpg"), Path("out/b.png"))])
    for one, other in [
        ("out/a.png", str(tmp_path / "out/a.png")),
        ("out/a.png", "out/x/../a.png"),
        ("out/É.png", "out/e\u0301.PNG"),
        ("out/straße.png", "out/STRASSE.png"),
    ]:
        with pytest.raises(UsageError, match=r"a\.jpg and b\.jpg would both become"):
            check_collisions([(Path("a.jpg"), Path(one)), (Path("b.jpg"), Path(other))])


@given(NAMES)
def test_names_that_are_left_alone_do_not_hang_on_case(name):
    assert is_left_alone(f".{name}")
    assert is_left_alone(name) == is_left_alone(name.swapcase()) or not name.isascii()
