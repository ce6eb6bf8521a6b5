"""The listing of what is wrong with an input."""

from dialerd.intake import findings
from dialerd.intake.findings import Collector, Listing
from dialerd.model.errors import Fault


def test_a_listing_ends_where_the_disk_would_not_have_room_for_it(tmp_path, monkeypatch):
    """A file of nothing but faults does not fill the disk with what is said of it; they are counted all the same."""
    monkeypatch.setattr(findings, "LISTED_MOST", 50_000)
    path = tmp_path / "listing"
    faults = Collector(Listing(path), warning=False)
    for at in range(20_000):
        faults.add(Fault("phone", "is no number", file="x", line=at + 1, column=1))
    faults.flush()
    lines = path.read_text().splitlines()
    assert faults.findings().total == 20_000
    assert 50_000 <= path.stat().st_size < 100_000
    assert lines[0].startswith("x:1:1")
    assert lines[-1].startswith(f"x:{len(lines)}:1"), "the last line is whole"
