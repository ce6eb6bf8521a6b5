"""Dropped files in a dialect's format: who reads them, what they become, and what is told of them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from dropped import NOW, SETTINGS
from spooling import Place

from dialerd.intake import dialect_file
from dialerd.intake.read_now import read_now
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.states import CampaignState
from dialerd.plugin.dialect import Answer, Dialect, Translation
from dialerd.store import campaigns

ANN = "+447111000001"
BOB = "+447111000002"


def refuse(*_: object) -> Answer:
    """Answer nothing of use."""
    return Answer(status=500)


def dialect(reads: Callable[..., Any] | None, name: str = "acme") -> Dialect:
    """Return a dialect that only reads files."""
    return Dialect(name=name, routes=(), token=lambda _: None, refused=refuse, failed=refuse, reads=reads)


def acme(data: dict[str, Any], _settings: object) -> Translation | None:
    """Read `{"whom": [{"tel": …}], "who": …}`; a draft where `later` is true."""
    if "whom" not in data:
        return None
    if not isinstance(data["whom"], list):
        raise InvalidInput([Fault("whom", "must be a list")])
    names = {"recipients": "whom", "phone": "tel", "agent": "who"}

    def where(path: str) -> str:
        for native, own in names.items():
            path = path.replace(native, own)
        return path

    return Translation(
        document={
            "name": "of acme",
            "agent": data.get("who", "reminder"),
            "recipients": [{"phone": each.get("tel")} for each in data["whom"]],
        },
        where=where,
        draft=data.get("later", False),
        alias="acme_1",
        dialect="another",
        extra={"kept": True},
    )


@pytest.fixture
def installed(monkeypatch):
    """Set the dialects that are installed; there is no other way to install one for a test."""

    def install(*dialects: Dialect, broken: tuple[str, ...] = ()) -> None:
        monkeypatch.setattr(dialect_file, "installed", lambda: (dialects, broken))

    return install


def lay(folder, data, name="c.json"):
    """Lay a JSON file into `folder` and return its path."""
    path = folder / name
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def faults(path) -> list[Fault]:
    """Return what is wrong with a file."""
    with pytest.raises(InvalidInput) as caught:
        read_now(path, SETTINGS, NOW)
    return list(caught.value.faults)


def test_a_file_becomes_a_campaign_that_knows_its_dialect(tmp_path, installed):
    """Alias, dialect and what it keeps come with the campaign, and so do its recipients."""
    installed(dialect(None, "deaf"), dialect(acme))
    new, recipients = read_now(lay(tmp_path, {"whom": [{"tel": ANN}, {"tel": BOB}]}), SETTINGS, NOW)[:2]
    assert (new.spec.name, new.alias, new.dialect, new.extra, new.draft) == (
        "of acme",
        "acme_1",
        "acme",
        {"kept": True},
        False,
    )
    assert [one.number for one in recipients] == [ANN, BOB]


def test_a_draft_may_have_nobody_and_others_not(tmp_path, installed):
    """Only a draft waits for recipients."""
    installed(dialect(acme))
    new = read_now(lay(tmp_path, {"whom": [], "later": True}), SETTINGS, NOW)[0]
    assert new.draft
    assert "has no valid recipient" in faults(lay(tmp_path, {"whom": []}))[0].message


def test_faults_are_told_in_the_files_own_words_at_their_places(tmp_path, installed):
    """Faults of the campaign and of its rows have the path, the line and the column of what was dropped."""
    installed(dialect(acme))
    text = '{\n "who": "nobody",\n "whom": [\n  {"tel": "+447111000001"},\n  {"tel": "12"}\n ]\n}'
    found = [(fault.path, fault.line, fault.column) for fault in faults(lay(tmp_path, text))]
    assert found == [("who", 2, 2), ("whom[1].tel", 5, 4)]


def test_faults_of_the_dialect_itself_have_their_place(tmp_path, installed):
    """What the dialect refuses is told at the place that it names."""
    installed(dialect(acme))
    assert faults(lay(tmp_path, '{\n "whom": 3}')) == [Fault("whom", "must be a list", file="c.json", line=2, column=2)]


def test_faults_of_another_file_keep_their_place(tmp_path, installed):
    """A dialect may have read it."""
    fault = Fault("whom[0].tel", "is no number", file="list.csv", line=7, column=3)

    def reads(*_: object) -> None:
        raise InvalidInput([fault])

    installed(dialect(reads))
    assert faults(lay(tmp_path, {"whom": []})) == [fault]


def test_a_campaign_file_is_nobody_elses(tmp_path, installed):
    """What has a name and an agent is not offered, nor is TOML."""
    installed(dialect(lambda *_: pytest.fail("it was offered")))
    data = {"name": "own", "agent": "reminder", "whom": 3, "recipients": [{"phone": ANN}]}
    assert [fault.path for fault in faults(lay(tmp_path, data))] == ["whom"]
    assert faults(lay(tmp_path, 'whom = "x"', "c.toml"))


def test_what_nobody_reads_has_the_faults_of_a_campaign_file(tmp_path, installed):
    """A misspelled campaign file is told its own faults."""
    installed(dialect(acme))
    found = faults(lay(tmp_path, {"name": "own", "agnet": "reminder", "recipients": [{"phone": ANN}]}))
    assert [fault.path for fault in found] == ["agnet", "agent"]


class Unshowable(BaseException):
    """Fails at being shown, too."""

    def __str__(self) -> str:
        raise RuntimeError


def ending(*_: object) -> None:
    """End the process, if it may."""
    raise SystemExit(3)


def unshowable(*_: object) -> None:
    """Raise what cannot be shown."""
    raise Unshowable


@pytest.mark.parametrize(
    "reads", [ending, unshowable, lambda *_: 3, lambda *_: {}[0], lambda data: None], ids=lambda reads: reads.__name__
)
def test_a_broken_dialect_is_a_fault_that_names_it(tmp_path, installed, reads):
    """It costs nobody else's files, and its own are refused with its name."""
    installed(dialect(reads), dialect(acme, "other"))
    assert read_now(lay(tmp_path, {"whom": [{"tel": ANN}]}), SETTINGS, NOW)[0].dialect == "other"
    assert any("the dialect acme failed to read it" in one.message for one in faults(lay(tmp_path, {"else": 1})))


def test_a_plugin_that_cannot_be_loaded_is_named(tmp_path, installed):
    """Nobody can tell whether it would have read the file."""
    installed(dialect(acme), broken=("plugin emca cannot be imported: ImportError: no",))
    found = faults(lay(tmp_path, {"else": 1}))
    assert any("plugin emca cannot be imported" in fault.message for fault in found)
    assert read_now(lay(tmp_path, {"whom": [{"tel": ANN}]}), SETTINGS, NOW)[0].dialect == "acme"


def test_a_broken_way_back_costs_only_its_help(tmp_path, installed):
    """Where `where` fails the campaign file's own paths are told."""

    def bent(data, settings):
        return evolve(acme(data, settings), where=lambda path: {}[path])

    installed(dialect(bent))
    assert [fault.path for fault in faults(lay(tmp_path, {"whom": [{"tel": "12"}]}))] == ["recipients[0].phone"]


def test_those_that_come_with_dialerd_are_installed():
    """The plugins are found by their entry points."""
    assert {"batch_calls", "tasks"} <= {dialect.name for dialect in dialect_file.installed()[0]}


TASKS = {
    "from_number": "+447111000001",
    "agent_id": "reminder",
    "tasks": [{"to_number": "+447111200001", "max_retries": 2}],
}


async def everything(store):
    """Return all campaigns, drafts too."""
    return await store.read(campaigns.by_ids, [1, 2])


async def test_dropped_into_the_spool_it_is_taken(tmp_path):
    """The reading process loads the plugins; the campaign is published, a draft is only stored."""
    place = Place.make(tmp_path)
    async with place.life() as store:
        place.drop("now.json", json.dumps(TASKS))
        place.drop("later.json", json.dumps({**TASKS, "status": "draft", "tasks": [{"to_number": "+447111200002"}]}))
        place.drop("wrong.json", json.dumps({**TASKS, "tasks": [{"to_number": "12"}]}))
        await place.until_only("accepted", "later.json", "now.json")
        found = {row.state: row for row in await everything(store)}
        assert set(found) == {CampaignState.DRAFT, CampaignState.SCHEDULED}
        assert place.published == [found[CampaignState.SCHEDULED].id]
        assert {row.dialect for row in found.values()} == {"tasks"}
        await place.until_only("rejected", "wrong.json", "wrong.json.error.txt")
    assert "tasks[0].to_number" in (place.folders.rejected / "wrong.json.error.txt").read_text()


async def test_a_large_one_is_taken_on_the_other_way(tmp_path):
    """What is no small file is stored bit by bit, and becomes the same."""
    place = Place.make(tmp_path)
    tasks = [{"to_number": f"+4471112{index:05}", "dynamic_variables": {"note": "x" * 60}} for index in range(1_000)]
    async with place.life() as store:
        place.drop("draft.json", json.dumps({**TASKS, "status": "draft", "tasks": tasks}))
        place.drop("now.json", json.dumps({**TASKS, "tasks": tasks[1:]}))
        await place.until_only("accepted", "draft.json", "now.json")
        found = {row.state: row for row in await everything(store)}
    assert set(found) == {CampaignState.DRAFT, CampaignState.SCHEDULED}
    assert place.published == [found[CampaignState.SCHEDULED].id]
