"""Contacts of the dialect B: every form in which they come, and what is wrong with them."""

import contextlib
import json

import pytest
from batching import ANN, BOB, api, batches, body, create, wanted
from dialerd_dialects import batch_calls
from dialerd_dialects.batch_calls_contacts import sent
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.settings import DialectSettings


@pytest.fixture
async def door(tmp_path):
    """An API with the dialect, and a folder of contacts."""
    async with batches(tmp_path) as door:
        yield door


FORMS = {
    "list": (
        json.dumps([{"phone_number": ANN, "name": "Ann"}, {"phone": BOB, "variables": {"name": "Bob"}}]),
        "application/json",
    ),
    "object": (
        json.dumps({"contacts": [{"phone_number": ANN, "name": "Ann"}, {"phone_number": BOB, "name": "Bob"}]}),
        "application/json",
    ),
    "lines": (
        f'{{"phone_number": "{ANN}", "name": "Ann"}}\n\n{{"phone_number": "{BOB}", "name": "Bob"}}\n',
        "application/x-ndjson",
    ),
    "csv": (f"\ufeffname,phone_number\r\nAnn,{ANN}\r\nBob,{BOB}\r\n", "text/csv"),
    "semicolons": (f'phone;name\n{ANN};"Ann"\n{BOB};Bob\n', "text/csv; charset=utf-8"),
    "untold": (f"phone_number,name\n{ANN},Ann\n{BOB},Bob\n", "application/x-www-form-urlencoded"),
}


@pytest.mark.parametrize("form", FORMS)
async def test_contacts_in_every_form(door, form):
    """Each is a recipient with its variables; who is there already is a duplicate."""
    batch = await create(door)
    content, media = FORMS[form]
    for expected in ({"added": 2, "duplicates": 0}, {"added": 0, "duplicates": 2}):
        answer = await door.client.post(
            f"/batch-calls/{batch['id']}/contacts", content=content.encode(), headers={"Content-Type": media}
        )
        assert answer.status_code == 201, answer.text
        assert answer.json()["data"] == {"id": batch["id"], **expected, "total": 2}
    people = (await door.operations.campaigns.recipients(batch["id"])).items
    assert [(one.number, one.variables) for one in people] == [(ANN, {"name": "Ann"}), (BOB, {"name": "Bob"})]


@pytest.mark.parametrize(
    ("content", "media", "field"),
    [
        ("name\nAnn\n", "text/csv", "contacts"),
        (f"phone,phone\n{ANN},{BOB}\n", "text/csv", "contacts"),
        (f"phone,name\n{ANN}\n", "text/csv", "contacts[0]"),
        (f'phone,name\n{ANN},"x\n', "text/csv", "contacts"),
        (f"phone\n{ANN}\n12\n", "text/csv", "contacts[1].phone_number"),
        ('{"people": []}', "application/json", "people"),
        ("[3]", "application/json", "contacts[0]"),
        ('[{"phone_number": 3}]', "application/json", "contacts[0].phone_number"),
        ('[{"phone_number": "+12125550111", "variables": 3}]', "application/json", "contacts[0].variables"),
        ('{"phone": 1}\n{', "application/x-ndjson", "contacts[1]"),
    ],
)
async def test_contacts_with_faults_are_all_refused(door, content, media, field):
    """422 with the place; none of them is added."""
    batch = await create(door)
    answer = await door.client.post(
        f"/batch-calls/{batch['id']}/contacts", content=content.encode(), headers={"Content-Type": media}
    )
    assert answer.status_code == 422, answer.text
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert (await door.operations.campaigns.get(batch["id"])).counters.total == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [("folder-1.csv", f"phone_number,name\n{ANN},Ann\n"), ("folder-1.jsonl", f'{{"phone": "{ANN}", "name": "Ann"}}\n')],
)
async def test_contacts_of_a_folder(door, tmp_path, name, text):
    """They are those of the file when the batch is created."""
    (tmp_path / "contacts" / name).write_text(text)
    batch = await create(door, contact_source="folder", contact_folder_id="folder-1")
    assert (batch["contact_source"], batch["contact_folder_id"], batch["total_contacts"]) == ("folder", "folder-1", 1)
    (person,) = (await door.operations.campaigns.recipients(batch["id"])).items
    assert (person.number, person.variables) == (ANN, {"name": "Ann"})


FOLDERS = {
    "f.csv": (f'name;phone\n"A;\n""nn";{ANN}\n\nBob;"12"\nCy;{BOB}\nDo\n', "f.csv:5:5", "f.csv:7"),
    "f.jsonl": (
        f'{{"phone": "{ANN}"}}\n\n  {{"name": "B", "phone": "12"}}\n{{"phone": "{BOB}"}}\n{{\n',
        "f.jsonl:3:17",
        "f.jsonl:5",
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
async def test_faults_in_a_folder_have_their_place_there(door, tmp_path, name):
    """File, line and column, whoever finds them: the dialect, or dialerd when it makes the campaign."""
    text, place, odd = FOLDERS[name]
    file = tmp_path / "contacts" / name
    for content, places in ((text, (place, odd)), (text.rsplit("\n", 2)[0], (place,))):
        file.write_text(content)
        answer = await door.client.post("/batch-calls", json=body(contact_source="folder", contact_folder_id="f"))
        assert (answer.status_code, len(answer.json()["errors"])) == (422, len(places))
        assert all(f"{one}:" in answer.json()["message"] for one in places), answer.json()["message"]
        assert "contacts[1].phone_number" in [error["field"] for error in answer.json()["errors"]]


async def test_faults_in_a_body_have_their_line(door):
    """Where the body has lines; JSON has none, and that of the campaign nobody sent."""
    batch = await create(door)
    path = f"/batch-calls/{batch['id']}/contacts"
    csv = await door.client.post(path, content=f"phone\n{ANN}\n12\n", headers={"Content-Type": "text/csv"})
    assert csv.json()["message"].startswith("line 3, column 1: contacts[1].phone_number: ")
    plain = await door.client.post(path, json=[{"phone": ANN}, {"phone": "12"}])
    assert plain.json()["message"].startswith("contacts[1].phone_number: ")


def test_a_dropped_file_tells_the_place_in_a_folder(tmp_path):
    """The way back leads into the file with the contacts."""
    (tmp_path / "f.csv").write_text(f"phone\n{ANN}\n12\n")
    reads = batch_calls.DIALECT.reads
    assert reads is not None
    settings = wanted(dialects=DialectSettings(contacts_dir=tmp_path))
    translation = reads(body(contact_source="folder", contact_folder_id="f"), settings)
    assert translation is not None
    assert translation.where("recipients[1].phone") == "contacts[1].phone_number (f.csv:3:1)"
    assert translation.where("agent") == "agent_id"


async def test_a_folder_wants_a_place(tmp_path):
    """Without `contacts_dir` the fault says what to set."""
    async with api(tmp_path, wanted(), dialects=[batch_calls.DIALECT]) as door:
        answer = await door.client.post(
            "/batch-calls", json=body(contact_source="folder", contact_folder_id="folder-1")
        )
        assert answer.status_code == 422
        assert "no contacts_dir is set" in answer.json()["message"]


@given(st.binary(max_size=200), st.sampled_from(["text/csv", "application/json", "application/x-ndjson", ""]))
def test_no_contacts_break_it(content, media):
    """Whatever is sent becomes recipients or faults."""
    with contextlib.suppress(InvalidInput):
        contacts = sent(content, media)
        for fault in contacts.placed(Fault(f"contacts[{at}].name", "") for at in range(len(contacts.rows))):
            assert fault.line is None or fault.line >= 1
        if not contacts.judged((), wanted()):
            assert all(set(row) == {"phone", "variables"} for row in contacts.rows)


@pytest.mark.parametrize("name", ["../secret", "a/b", ".", "..", "", "a.b", "x" * 101])
async def test_a_folder_has_a_plain_name(door, tmp_path, name):
    """Nothing outside of the contacts' folder is read, and nothing below it."""
    (tmp_path / "secret.csv").write_text(f"phone_number\n{ANN}\n")
    (tmp_path / "contacts" / "a").mkdir()
    for inside in ("a/b.csv", "a.b.csv"):
        (tmp_path / "contacts" / inside).write_text(f"phone_number\n{ANN}\n")
    answer = await door.client.post("/batch-calls", json=body(contact_source="folder", contact_folder_id=name))
    assert answer.status_code == 422
    assert "must be a plain name" in answer.json()["message"]
