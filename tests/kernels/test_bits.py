"""The same bits on every processor that fuses products and sums: compared with a table, made on another one."""

import json

import bits
import numba
import numpy as np
import pytest

EXPECTED = json.loads(bits.TABLE.read_text(encoding="ascii"))


@numba.njit(fastmath={"contract"})
def multiplied_and_added(x, y, z):
    return x * y + z


def is_fused():
    """Tell whether the processor, or the one that is played, rounds a product and a sum once."""
    x = 1.0 + 2.0**-30
    return multiplied_and_added(x, x, -x * x) != 0.0


@pytest.mark.parametrize("shape", bits.SHAPES, ids=[bits.name(*shape) for shape in bits.SHAPES])
def test_sums_have_the_same_bits_on_every_processor_that_fuses_products_and_sums(shape, reached):
    if not is_fused():
        pytest.skip("this processor rounds products before they are added")
    assert bits.sums(*shape) == bits.sums(*shape, n_threads=1) == EXPECTED[bits.name(*shape)]
    reached("training sets whose sums have the bits that a table has for every processor", 1)


def test_the_table_is_of_these_training_sets():
    assert list(EXPECTED) == [bits.name(*shape) for shape in bits.SHAPES]


def test_numbers_are_all_over_their_interval():
    drawn = bits.numbers(100_000, 1)
    counts, _ = np.histogram(drawn, 10, (-1.0, 1.0))
    assert counts.sum() == drawn.size
    assert (abs(counts - 10_000) < 500).all()  # five standard deviations
    assert abs(np.corrcoef(drawn, bits.numbers(100_000, 2))[0, 1]) < 0.02
