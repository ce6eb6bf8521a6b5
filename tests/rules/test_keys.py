"""Keys that are pressed: what a text stands for, and that nothing else is ever handed on."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.rules.keys import MOST_KEYS, NoKeys, check_keys, keys_in
from dialerd.rules.templates import BadTemplate, MissingVariable

VALUES = st.one_of(st.none(), st.integers(), st.booleans(), st.text(max_size=80), st.text("0123456789*#ABCDwW"))


@given(st.text("0123456789*#ABCDwW", max_size=70), VALUES)
def test_what_is_pressed_are_keys(before, value):
    """Whatever a recipient's variable is: keys, and all of them, or an error that does not show them."""
    text = before + str(value)
    template, variables = before + "{x}", {"x": value}
    if value is None:
        with pytest.raises(MissingVariable):
            keys_in(template, variables)
    elif re.fullmatch(r"[0-9*#ABCDwW]{1,64}", text):
        assert keys_in(template, variables) == text
    else:
        with pytest.raises(NoKeys) as caught:
            keys_in(template, variables)
        assert len(str(value)) < 4 or str(value) not in str(caught.value)


@pytest.mark.parametrize("template", ["1", "ww{a}#{b}", "{a}", "A" * MOST_KEYS])
def test_what_may_be_keys(template):
    """A place may stand for some."""
    check_keys(template)


@pytest.mark.parametrize("template", ["", " ", "1 2", "a", "x{a}", "+1", "1\n", "٣", "1" * (MOST_KEYS + 1)])
def test_what_is_never_keys(template):
    """Whatever is put into its places."""
    with pytest.raises(NoKeys):
        check_keys(template)


def test_braces_that_are_no_place():
    """As in any other text."""
    with pytest.raises(BadTemplate):
        check_keys("{")
