"""Any picks of any library in few characters, and what is said where they cannot be found again."""

from random import Random

import pytest

from dashboard import picks

SOURCES = [f"a-task-of-some-length-{number}" for number in range(400)]


@pytest.mark.parametrize("total", [1, 7, 200, 400])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98, 1.0])
@pytest.mark.parametrize("room", [60, 820])
def test_picks_come_back_and_fit(total, share, room):
    options = SOURCES[:total]
    picked = Random(total).sample(options, max(1, int(total * share)))
    packed = picks.pack(picked, options, room)
    assert len(packed) <= max(room, 6 + -(-total // 6) + 2)
    found = picks.unpack(packed, options)
    assert (sorted(found.names), found.lost, found.exact) == (sorted(picked), 0, True)


def test_hashes_know_their_names_in_another_library_and_count_what_is_not_there():
    packed = picks.pack(SOURCES[:100], SOURCES, 820)
    found = picks.unpack(packed, SOURCES[10:300])
    assert found.names == SOURCES[10:100]
    assert (found.lost, found.exact) == (10, False)


def test_all_but_says_when_the_library_has_grown():
    packed = picks.pack(SOURCES[3:200], SOURCES[:200], 820)
    assert packed.startswith("x4")
    found = picks.unpack(packed, SOURCES[:201])
    assert len(found.names) == 198
    assert not found.exact


def test_bits_of_another_list_name_nothing():
    packed = picks.pack(SOURCES[::2], SOURCES, 100)
    assert packed.startswith("m0")
    assert picks.unpack(packed, SOURCES[1:]) == ([], -1, False)


@pytest.mark.parametrize("text", ["", "p", "p9abcd", "x4", "q4abcd", "p4abcdxyz", "m0abcd***", "p4abcd\u202e\U0001f600"])
def test_nonsense_names_none(text):
    found = picks.unpack(text, SOURCES)
    assert found.names == []
    assert not found.exact


def test_names_whose_hashes_are_alike_get_longer_ones():
    hashes, pair = {}, None
    for number in range(200_000):
        other = hashes.setdefault(picks._hash(str(number), 4), number)
        if other != number:
            pair = [str(other), str(number)]
            break
    assert pair, "two of 200,000 names share 24 bits"
    packed = picks.pack(pair[:1], [*pair, "third", "fourth"], 820)
    assert packed.startswith("p5")
    assert picks.unpack(packed, [*pair, "third", "fourth"]).names == pair[:1]
