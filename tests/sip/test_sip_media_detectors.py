"""Detectors that fail touch nobody's call, and what they need is there before the calls are."""

import sys
from typing import Any, ClassVar

import numpy
import pytest
from dialerd_sip.media.contract import Detected, Heard
from media_stage import Stage


class Odd:
    """A detector whose first result is what it was told to be, or raised; it tells how often it was asked."""

    result: ClassVar[Any] = ()
    asked: ClassVar[int] = 0

    def feed(self, samples, at_ms):
        """Listen."""
        type(self).asked += 1
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


class Unmade:
    """A detector that cannot be made."""

    def __init__(self):
        raise RuntimeError("no model")


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (ZeroDivisionError("by nothing"), "ZeroDivisionError: by nothing"),
        (None, "TypeError"),
        (["loud"], "it returned str"),
        ([Detected(7, 5)], "no text"),
        ([Detected("\ud800", 5)], "no text"),
        ([Detected("x" * 999, 5)], "no text"),
        ([Detected("loud", "soon")], "TypeError"),
        ([Detected("loud", 1 << 70)], "ms"),
    ],
)
def test_a_detector_that_fails_is_dropped(result, reason, monkeypatch):
    """For the rest of its call, which goes on; it is told of once."""
    monkeypatch.setattr(Odd, "result", result)
    monkeypatch.setattr(Odd, "asked", 0)
    stage = Stage()
    stage.engine.detect(stage.stream, f"{__name__}:Odd", stage.now, stage.failures.append)
    stage.connect()
    for _ in range(5):
        stage.run(20)
        stage.hears()
    assert Odd.asked == 1
    (told,) = stage.failures
    assert reason in told
    assert f"'{__name__}:Odd'" in told
    assert stage.events == [Heard()]
    assert stage.stream.hearing.received == 5


def test_what_a_detector_finds_may_be_numbers_of_numpy(monkeypatch):
    """They are told as any others."""
    monkeypatch.setattr(Odd, "result", [Detected(numpy.str_("beep"), numpy.int64(7))])
    stage = Stage()
    stage.engine.detect(stage.stream, f"{__name__}:Odd", stage.now, stage.failures.append)
    stage.connect()
    stage.hears()
    assert stage.failures == []
    assert stage.events == [Heard(), Detected("beep", 7)]
    assert [type(value) for value in (stage.events[1].kind, stage.events[1].at_ms)] == [str, int]


@pytest.mark.parametrize("name", [f"{__name__}:Unmade", f"{__name__}:nobody", "no.such:thing", "math:sqrt", "", ":"])
def test_a_detector_that_cannot_be_made(name):
    """Is a fault of who asks, whatever it raises."""
    stage = Stage()
    with pytest.raises(LookupError, match="detector"):
        stage.engine.detect(stage.stream, name, stage.now, stage.failures.append)


def test_a_detector_is_imported_ahead(tmp_path, monkeypatch):
    """With its numpy, before anybody speaks; a name that leads nowhere is told then."""
    (tmp_path / "heavy_ear.py").write_text("class Ear:\n    def feed(self, samples, at_ms):\n        return ()\n")
    (tmp_path / "broken_ear.py").write_text("raise RuntimeError('no model')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    stage = Stage()
    stage.engine.prepare("heavy_ear:Ear")
    assert "heavy_ear" in sys.modules
    assert stage.engine._decoder is not None
    with pytest.raises(LookupError, match="no model"):
        stage.engine.prepare("broken_ear:Ear")
