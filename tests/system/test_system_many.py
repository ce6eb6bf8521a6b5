"""Many files at once and large lists: all is taken, each once, and memory does not grow with them."""

import os
import threading
import time

import pytest
from place import Place, number, status_kib, until

pytestmark = pytest.mark.system

LATER = "2099-01-01T09:00:00Z"


def many(place: Place, count: int, patience_s: float) -> None:
    """Drop `count` campaign files of one recipient each at once; every seventh is refused, every other is dialled."""
    place.start()
    staged = place.root / "many"
    staged.mkdir()
    for index in range(count):
        key = "name" if index % 7 else "nome"
        text = f'{key} = "c{index}"\nagent = "reminder"\n[[recipients]]\nphone = "{number(index)}"\n'
        (staged / f"c{index}.toml").write_text(text)
    for entry in os.scandir(staged):
        os.rename(entry.path, place.spool / "incoming" / entry.name)
    refused = len(range(0, count, 7))
    until(lambda: place.listing("incoming") == set(), f"{count} files leave incoming/", patience_s, 0.2)
    assert len([name for name in place.listing("rejected") if name.endswith(".toml")]) == refused
    assert len([name for name in place.listing("rejected") if name.endswith(".error.txt")]) == refused
    assert len(place.listing("accepted")) == count - refused
    assert place.count("SELECT count(*) FROM campaigns") == count - refused
    reports = place.spool / "reports"
    until(lambda: len(os.listdir(reports)) == count - refused, "every campaign has its report", patience_s, 0.5)
    assert sorted(line["number"] for line in place.ledger()) == [number(index) for index in range(count) if index % 7]
    assert place.stop() == 0


class Watch(threading.Thread):
    """Notes the largest resident memory of a daemon, and of each process that it starts, in KiB."""

    def __init__(self, place: Place) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.worker_peak = 0
        self._place = place
        self._over = threading.Event()

    def run(self) -> None:
        """Look ten times a second."""
        while not self._over.wait(0.1):
            self.peak = max(self.peak, self._place.memory_kib())
            self._place.note_children()
            for pid in list(self._place.children):
                self.worker_peak = max(self.worker_peak, status_kib(pid, "VmRSS"))

    def end(self) -> None:
        """Stop looking."""
        self._over.set()
        self.join()


def large(place: Place, count: int, patience_s: float) -> Watch:
    """Drop a list of `count` rows, wait until it is stored whole, and return what memory that took."""
    place.start()
    place.drop("w.toml", f'name = "w"\nagent = "reminder"\nstart = {LATER}\n[[recipients]]\nphone = "{number(0)}"\n')
    place.until_in("accepted", "w.toml")  # so that memory is that of a daemon at work
    before = place.memory_kib()
    watch = Watch(place)
    watch.start()
    path = place.root / "large.csv"
    with path.open("w") as file:
        file.write("phone,first,place\n")
        # below ten million numbers of one prefix: +4471 and eight digits
        file.writelines(f"+4471{11_000_000 + index},Ann,{index}\n" for index in range(count))
    path.rename(place.spool / "incoming" / "large.csv")
    place.drop("large.json", {"name": "large", "agent": "reminder", "start": LATER, "recipients_file": "large.csv"})
    place.until_in("accepted", "large.csv", "large.json", patience_s=patience_s)
    watch.end()
    assert place.count("SELECT recipients FROM totals JOIN campaigns ON id = campaign_id WHERE name = 'large'") == count
    assert place.count("SELECT count(*) FROM recipients") == count + 1
    watch.peak -= before
    assert place.stop() == 0
    return watch


def test_three_hundred_files_at_once(place):
    """Each becomes a campaign or gets its error file, and all are dialled."""
    many(place, 300, 60)


def test_fifty_thousand_rows(place):
    """The daemon grows by a few MiB only: it passes batches on."""
    watch = large(place, 50_000, 120)
    assert watch.peak < 40_000


@pytest.mark.soak
def test_a_million_rows(place):
    """Twenty times the rows, and neither the daemon nor its reading process grows with them."""
    watch = large(place, 1_000_000, 500)
    assert watch.peak < 60_000
    assert watch.worker_peak < 200_000


def test_a_daemon_with_nothing_to_do_rests(place):
    """With a campaign that is not due for long it uses next to no processor time, and stops within a second or two."""
    place.start()
    place.drop("w.toml", f'name = "w"\nagent = "reminder"\nstart = {LATER}\n[[recipients]]\nphone = "{number(0)}"\n')
    place.until_in("accepted", "w.toml")
    time.sleep(1)
    before = processor_s(place)
    time.sleep(6)
    assert processor_s(place) - before < 0.06, "more than 1 % of a core"
    began = time.monotonic()
    assert place.stop() == 0
    assert time.monotonic() - began < 5


def processor_s(place: Place) -> float:
    """Return the processor time that the daemon has used, proc_pid_stat(5), in seconds."""
    assert place.process is not None
    with open(f"/proc/{place.process.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
