"""Variables that an agent speaks and recipients lack are told when a list is read, once each and with a count."""

import json

import pytest
from attrs import evolve
from dropped import NOW, SETTINGS, drop, read

from dialerd.intake.addition import Addition, read_addition
from dialerd.intake.read_now import Kept
from dialerd.model.settings import AgentSettings, MenuChoice
from dialerd.plugin.facts import places_of

ANN, BOB, CID = "+447111000001", "+447111000002", "+447111000003"

SOUND = "https://x.example.com/a.mp3"


def speaking(**agent):
    """Return settings in which the agent `reminder` speaks so."""
    return evolve(SETTINGS, agents={"reminder": AgentSettings(numbers=("+447111000000",), **agent)})


def gaps(spec, **agent):
    """Return the warnings about a campaign file whose agent speaks so; everybody in it is taken all the same."""
    return read(spec, speaking(**agent))[2]


def test_whoever_lacks_a_variable_is_counted_and_the_first_is_named(tmp_path):
    """One warning a variable, whatever the number of rows, in words that say what to do."""
    rows = [{"phone": ANN, "variables": {"day": 1}}, {"phone": BOB, "variables": {"name": None}}, {"phone": CID}]
    found = gaps(drop(tmp_path, "\n".join(map(json.dumps, rows)), "r.jsonl"), say="Hello {name}, it is {day}.")
    assert found == [
        'r.jsonl:1:28: variables: lacks the variable "name" (so do 2 after it), which the agent "reminder" speaks; no '
        "such call can be placed: give it to the recipients or to the campaign, or take it out of the agent's text",
        found[1],
    ]
    assert found[1].startswith('r.jsonl:2:28: variables: lacks the variable "day" (so do 1 after it), which ')


@pytest.mark.parametrize(
    ("agent", "lacked"),
    [
        ({"say": "{a}"}, ["a"]),
        ({"say": "hi", "opt_out": "9", "opt_out_say": "Bye, {b}."}, ["b"]),
        ({"play": SOUND, "menu": {"1": MenuChoice(say="{c}"), "2": MenuChoice(say="{d}")}}, ["c", "d"]),
        ({"say": "{call_id} {campaign} {number}"}, []),
        ({"say": "{prompt}"}, ["prompt"]),
        ({"stream": "wss://x.example.com"}, []),
        ({"say": "plain"}, []),
        ({"say": "plain", "press": "w{e}#"}, ["e"]),
    ],
)  # fmt: skip
def test_all_that_an_agent_says_is_looked_at(tmp_path, agent, lacked):
    """Its text, its menu and what it says to those who opt out; what every call tells of itself nobody lacks."""
    found = gaps(drop(tmp_path, f"phone\n{ANN}\n"), **agent)
    assert [warning.split('"')[1] for warning in found] == lacked
    assert all(warning.startswith("tuesday.csv:2:1: variables: lacks the variable ") for warning in found)


def test_what_the_campaign_gives_nobody_lacks_but_who_takes_it_away(tmp_path):
    """A recipient's null replaces the campaign's value, and an empty field of a CSV file is a value."""
    text = f'{{"phone": "{ANN}"}}\n{{"phone": "{BOB}", "variables": {{"name": null}}}}'
    (found,) = gaps(drop(tmp_path, text, "r.jsonl", 'variables = {name = "you"}\n'), say="{name}")
    assert found.startswith('r.jsonl:2:28: variables: lacks the variable "name", which')
    assert gaps(drop(tmp_path, f"phone,name\n{ANN},\n"), say="{name}") == []


def test_whoever_has_no_keys_is_counted(tmp_path):
    """An extension that is none is told when the list is read, as one that is missing is; its text is not shown."""
    rows = [{"extension": 204}, {"extension": "secret"}, {"extension": None}, {"extension": ""}, {}]
    rows = [{"phone": f"+44711100000{at}", "variables": row} for at, row in enumerate(rows)]
    text = "\n".join(map(json.dumps, rows))
    file = drop(tmp_path, text, "r.jsonl", 'variables = {extension = "7"}\n')
    lacks, keyless = gaps(file, say="x", press="{extension}")
    assert lacks.startswith('r.jsonl:3:28: variables: lacks the variable "extension", which')
    assert keyless == (
        'r.jsonl:2:28: variables: fill what the agent "reminder" presses with what is no keys (so do 1 after it): it '
        'must be keys: 0 to 9, "*", "#", A to D, "w" to wait for half a second, "W" for a whole one; no such call can '
        "be placed: correct the recipients' variables, or what the agent presses"
    )
    (found,) = gaps(drop(tmp_path, f"phone\n{ANN}\n", more="variables = {e = 'x'}\n"), say="x", press="{e}")
    assert "presses with what is no keys: it must" in found
    assert gaps(drop(tmp_path, text, "r.jsonl"), say="x", press="1") == []


def test_prompts_are_spoken_by_their_place(tmp_path):
    """The campaign's prompt is everybody's; without it, whoever has none of his own lacks it."""
    people = [{"phone": ANN, "prompt": "hi"}, {"phone": BOB, "variables": {"prompt": "x"}}, {"phone": CID}]
    rows = "\n".join(map(json.dumps, people))
    (found,) = gaps(drop(tmp_path, rows, "r.jsonl"), say="{prompt}")
    assert found.startswith('r.jsonl:3:1: variables: lacks the variable "prompt", which')
    assert gaps(drop(tmp_path, rows, "r.jsonl", 'prompt = "Be kind."\n'), say="{prompt}") == []


def test_rows_that_are_left_out_lack_nothing(tmp_path):
    """Only who is taken is counted."""
    rows = f'{{"phone": "123"}}\n{{"phone": "{ANN}", "max_attempts": 0}}\n{{"phone": "{BOB}"}}'
    found = gaps(drop(tmp_path, rows, "r.jsonl", "skip_invalid = true\n"), say="{name}")
    (gap,) = [warning for warning in found if "lacks" in warning]
    assert gap.startswith('r.jsonl:3:1: variables: lacks the variable "name", which')


def test_additions_are_looked_at_too(tmp_path):
    """Recipients that are added later are told of like those of the file."""
    settings = speaking(say="{name}")
    new = read(drop(tmp_path, f"phone,name\n{ANN},Ann\n"), settings)[0]
    more = tmp_path / "more.csv"
    more.write_text(f"phone\n{BOB}\n{CID}\n")
    kept = Kept()
    read_addition(more, Addition(campaign=new, format="csv", skip_invalid=False), settings, NOW, kept)
    (found,) = map(str, kept.warnings)
    assert found.startswith('more.csv:2:1: variables: lacks the variable "name" (so do 1 after it), which')


def test_places_of_an_agent_are_those_of_all_its_texts():
    """Each once, whichever text has it."""
    menu = {"1": MenuChoice(say="{b} {c}"), "2": MenuChoice(repeat=True)}
    assert places_of(AgentSettings(say="{a} {b}", menu=menu, opt_out_say="{d}")) == {"a", "b", "c", "d"}
    assert places_of(AgentSettings(stream="wss://x.example.com")) == frozenset()
