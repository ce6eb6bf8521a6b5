"""Withheld numbers: nobody leaves between two entries of the same number."""

from types import SimpleNamespace

from dialerd.engine.withheld import Withheld


def call(number, *, left):
    """Return as much of a call as is looked at."""
    return SimpleNamespace(claimed=SimpleNamespace(number=number), left=left)


def test_numbers_are_held_until_every_claim_sees_the_entry():
    """While it is being stored, and then for as long as a call claimed before has still to leave."""
    withheld = Withheld()
    withheld.hold(["a", "b"])
    withheld.release([])
    assert set(withheld.numbers) == {"a", "b"}
    withheld.stored(["a", "b"])
    withheld.release([call("a", left=False), call("b", left=True)])
    assert set(withheld.numbers) == {"a"}
    withheld.release([])
    assert not withheld.numbers


def test_two_entries_of_a_number_at_once():
    """The first that is stored may bind others than the second: the number is held until both are."""
    withheld = Withheld()
    withheld.hold(["a"])
    withheld.hold(["a"])
    withheld.stored(["a"])
    withheld.release([])
    assert "a" in withheld.numbers
    withheld.stored(["a"])
    withheld.release([])
    assert "a" not in withheld.numbers


def test_an_entry_binds_its_scope_only():
    """One of an agent or a campaign keeps back their calls, and nobody else's."""
    withheld = Withheld()
    withheld.hold(["a"], "agent:anna")
    withheld.hold(["b"], "campaign:c")
    withheld.hold(["d"])
    bound = {(number, agent, campaign) for number in "abde" for agent in ("anna", "zoe") for campaign in "cx"}
    found = {one for one in bound if withheld.binds(*one)}
    assert found == {
        *(("a", "anna", campaign) for campaign in "cx"),
        *(("b", agent, "c") for agent in ("anna", "zoe")),
        *(("d", agent, campaign) for agent in ("anna", "zoe") for campaign in "cx"),
    }


def test_a_scope_is_held_until_its_own_entry_is_stored():
    """Another entry of the number that was stored long ago does not bind any more."""
    withheld = Withheld()
    withheld.hold(["a"])
    withheld.hold(["a"], "agent:anna")
    withheld.stored(["a"])
    withheld.release([])
    assert not withheld.binds("a", "zoe", "c")
    assert withheld.binds("a", "anna", "c")
    withheld.stored(["a"], "agent:anna")
    withheld.release([])
    assert not withheld.numbers
