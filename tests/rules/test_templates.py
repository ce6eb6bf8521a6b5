"""Texts with places: what is put in, what is refused, and what is never looked at."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.rules.templates import BadTemplate, MissingVariable, fill, places, spelled

NAMES = st.text(min_size=1).filter(lambda name: name.strip() and not set(name) & set("{}"))
PLAIN = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.tuples(st.text(), NAMES)), st.text(), st.data())
def test_every_place_gets_its_value_and_nothing_else_changes(pairs, tail, data):
    """Texts between places stay; values go in as they are, braces and all."""
    pairs = [(text.replace("{", "").replace("}", ""), name) for text, name in pairs]
    tail = tail.replace("{", "").replace("}", "")
    variables = {name: data.draw(st.text() | st.just("{x}")) for _, name in pairs}
    template = "".join(f"{text}{{{name}}}" for text, name in pairs) + tail
    assert fill(template, variables) == "".join(text + variables[name] for text, name in pairs) + tail
    assert places(template) == set(variables)


def test_a_variable_that_is_not_there_is_named():
    """Neither is the place spoken, nor a null; an empty text is a value."""
    with pytest.raises(MissingVariable, match='no variable "name"') as caught:
        fill("Hello {name} and {other}", {"other": "x"})
    assert caught.value.name == "name"
    with pytest.raises(MissingVariable, match='"name"'):
        fill("Hello {name}", {"name": None})
    assert fill("Hello {name}.", {"name": ""}) == "Hello ."
    assert fill("No places.", {}) == "No places."


@pytest.mark.parametrize("text", ["{", "}", "a { b", "{{name}}", "{a{b}c}", "{name}}", "{}", "{ }", "{a} {"])
def test_other_braces_are_refused(text):
    """A brace is half a place, a place without a name, or what another system writes: never spoken."""
    with pytest.raises(BadTemplate, match="brace"):
        places(text)
    with pytest.raises(BadTemplate, match="brace"):
        fill(text, {"name": "x", "b": "x", "a": "x"})


@given(PLAIN)
def test_values_are_spelled_as_json_but_for_text(value):
    """What is no text can be read back."""
    assert spelled(value) == value if isinstance(value, str) else json.loads(spelled(value)) == value


def test_letters_are_spelled_as_they_are():
    """Names in a list keep their letters."""
    assert spelled(["Zoë", 3, True]) == '["Zoë", 3, true]'
