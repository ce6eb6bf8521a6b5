"""What plugins raise: put into words whatever their classes do, and told from Ctrl-C."""

import pytest
import trio

from dialerd.plugin.raised import spare_ctrl_c, words


class Unspeakable(BaseException):
    """An exception that cannot be shown."""

    def __repr__(self) -> str:
        """Fail."""
        raise SystemExit(3)

    __str__ = __repr__


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (OSError("reset"), "OSError: reset"),
        (KeyError("token"), "KeyError: 'token'"),
        (TimeoutError(), "TimeoutError"),
        (ExceptionGroup("two", [OSError("reset")]), "ExceptionGroup('two', [OSError('reset')])"),
        (Unspeakable(), "Unspeakable, which cannot be shown: that raises SystemExit"),
        (None, "None"),
        ("x" * 600, "'" + "x" * 499 + "... (602 characters)"),
    ],
)
def test_whatever_it_is_there_are_words_for_it(value: object, said: str) -> None:
    """Kind and message of an error, and never an error of its own."""
    assert words(value) == said


def test_outside_of_the_event_loop_every_interrupt_is_the_users() -> None:
    """Alone and in groups; other ends of the program are not."""
    for error in (KeyboardInterrupt(), BaseExceptionGroup("x", [OSError(), KeyboardInterrupt()])):
        with pytest.raises(type(error)):
            spare_ctrl_c(error)
    spare_ctrl_c(SystemExit(3))


def plugin() -> None:
    """Raise what is the user's."""
    raise KeyboardInterrupt


async def test_inside_of_it_one_that_trio_did_not_raise_is_a_plugins() -> None:
    """A plugin must not stop the daemon with it."""
    await trio.lowlevel.checkpoint()
    with pytest.raises(KeyboardInterrupt) as caught:
        plugin()
    spare_ctrl_c(caught.value)
