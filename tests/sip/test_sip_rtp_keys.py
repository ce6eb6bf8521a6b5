"""Keys as telephone events: what is sent, and that each is told once however packets are lost, doubled and swapped."""

from random import Random

from dialerd_sip.media.events import KEYS, KeyReader, KeySender
from hypothesis import given
from hypothesis import strategies as st


def sent(keys, size=160, start=1_000):
    """Return what is sent turn by turn: None for silence."""
    sender, turns = KeySender(), []
    sender.add(keys)
    while sender.busy:
        turns.append(sender.step(start + size * len(turns), size))
        assert len(turns) < 5_000
    return turns


def test_a_key_is_sent_as_the_rfc_has_it():
    """A marker at the start alone, one timestamp, a growing duration, three equal ends, then a pause."""
    turns = sent("5")
    packets = [turn for turn in turns if turn]
    assert [marker for marker, _, _ in packets] == [True] + [False] * 6
    assert {timestamp for _, timestamp, _ in packets} == {1_000}
    assert [payload[0] for _, _, payload in packets] == [5] * 7
    assert [int.from_bytes(payload[2:], "big") for _, _, payload in packets] == [160, 320, 480, 640, 800, 800, 800]
    assert [payload[1] >> 7 for _, _, payload in packets] == [0, 0, 0, 0, 1, 1, 1]
    assert turns[7:] == [None] * 5


def test_keys_follow_one_another():
    """Timestamps rise, codes are those of the keys, lower case counts, what is no key is left out."""
    packets = [turn for turn in sent("1x*#d") if turn and turn[0]]
    assert [KEYS[payload[0]] for _, _, payload in packets] == ["1", "*", "#", "D"]
    stamps = [timestamp for _, timestamp, _ in packets]
    assert stamps == sorted(set(stamps))


def test_keys_that_wait_are_bounded():
    """Whoever asks for a million keys gets some."""
    assert len([turn for turn in sent("1" * 1_000_000) if turn and turn[0]]) == 64


@given(
    st.text(alphabet=KEYS, min_size=1, max_size=8),
    st.sampled_from([80, 160, 240, 480]),
    st.integers(0, 2**32 - 1),
    st.randoms(use_true_random=False),
)
def test_each_key_is_told_once(keys, size, start, random: Random):
    """Any packets of an event but one are lost, some doubled, neighbours swapped; also over the timestamp's wrap."""
    events: dict[int, list] = {}
    for turn in sent(keys, size, start):
        if turn:
            events.setdefault(turn[1], []).append(turn)
    packets = []
    for event in events.values():
        kept = random.sample(event, random.randint(1, len(event)))
        kept += random.choices(kept, k=random.randint(0, 3))
        random.shuffle(kept)  # within an event; between two there are 100 ms
        packets += kept
    reader = KeyReader()
    told = [reader.read(7, stamp & 0xFFFF_FFFF, payload, marker=marker) for marker, stamp, payload in packets]
    assert "".join(filter(None, told)) == keys


def test_what_comes_after_the_next_key_is_old():
    """A retransmitted end that was overtaken by the next event tells nothing."""
    reader = KeyReader()
    assert reader.read(7, 1_000, bytes((1, 10, 0, 160)), marker=True) == "1"
    assert reader.read(7, 3_000, bytes((2, 10, 0, 160)), marker=True) == "2"
    assert reader.read(7, 1_000, bytes((1, 0x8A, 3, 32)), marker=False) is None
    assert reader.read(7, 3_000, bytes((2, 0x8A, 3, 32)), marker=False) is None


def test_a_key_held_for_long_is_one():
    """An event beyond 65,535 units goes on in another segment (section 2.5.1.3); a new press of it does not."""
    reader = KeyReader()
    assert reader.read(7, 0, bytes((1, 10, 0, 160)), marker=True) == "1"
    assert reader.read(7, 0, bytes((1, 10, 0xFF, 0xFF)), marker=False) is None
    assert reader.read(7, 0xFFFF, bytes((1, 10, 0, 160)), marker=False) is None
    assert reader.read(7, 0xFFFF, bytes((1, 0x8A, 1, 64)), marker=False) is None
    assert reader.read(7, 0x1_1000, bytes((1, 10, 0, 160)), marker=False) == "1"
    assert reader.read(7, 0x1_1000, bytes((1, 0x8A, 0xFF, 0xFF)), marker=False) is None
    assert reader.read(7, 0x2_0800, bytes((1, 10, 0, 160)), marker=False) == "1"


def test_a_new_source_begins_anew():
    """The same timestamp of another source is another press; codes that are no keys are none."""
    reader = KeyReader()
    assert reader.read(7, 5_000, bytes((1, 10, 0, 160)), marker=True) == "1"
    assert reader.read(8, 5_000, bytes((1, 10, 0, 160)), marker=True) == "1"
    assert reader.read(8, 9_000, bytes((16, 10, 0, 160)), marker=True) is None
    assert reader.read(8, 9_000, b"\x01", marker=True) is None
