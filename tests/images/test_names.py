"""Very many names in little memory, which read like a tuple."""

import tracemalloc

import numpy as np
import pytest

from kvae.images.names import Names

SOME = ("", "a.png", "below/ä.jpg", "below/猫.jpg", "z")


@pytest.fixture(params=["gathered", "from a file"])
def names(request):
    found = Names.of(SOME)
    return found if request.param == "gathered" else Names.stored(*found.columns())


def test_names_read_like_a_tuple(names):
    assert len(names) == 5 and tuple(names) == SOME and names == SOME and names == Names.of(SOME)
    assert [names[row] for row in range(-5, 5)] == [SOME[row] for row in range(-5, 5)]
    assert names[1:4] == SOME[1:4] and names[::-2] == SOME[::-2] and names[np.int64(3)] == SOME[3]
    assert "z" in names and names.index("z") == 4 and names != SOME[:4] and names != Names.of(SOME[::-1])
    for row in (5, -6):
        with pytest.raises(IndexError):
            names[row]


def test_some_of_the_names_can_be_taken(names):
    assert names.take(np.array([4, 0, 2])) == ("z", "", "below/ä.jpg")
    assert names.take(np.arange(5)) is names


@pytest.mark.parametrize("other", [(), SOME, SOME[1:3], ("0", *SOME[1:], "zz"), ("b", "c")])
def test_sorted_names_are_found_in_others(names, other):
    expected = [other.index(name) if name in other else -1 for name in SOME]
    assert names.rows_in(Names.of(other)).tolist() == expected


@pytest.mark.parametrize("ends", [[1, 9], [3, 2], [-1, 3]], ids=str)
def test_what_are_no_names_is_refused(ends):
    with pytest.raises(ValueError, match="no names"):
        Names.stored(np.zeros(3, np.uint8), np.array(ends, np.int64))


def test_a_name_takes_little_more_than_its_letters():
    tracemalloc.start()
    names = Names.of(f"{number:020d}.jpg" for number in range(20_000))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / len(names) < 24 + 8 + 8
