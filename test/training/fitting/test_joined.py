# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import accumulate

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from training.fitting.joined import Joined, pieces, size

LENGTHS = st.lists(st.integers(0, 4), min_size=1, max_size=6)


def parts(lengths: list[int]) -> list[Tensor]:
    ends = list(accumulate(lengths))
    return [
        torch.arange(end - length, end).view(-1, 1).expand(-1, 3).clone()
        for end, length in zip(ends, lengths, strict=True)
    ]


@given(LENGTHS, st.data())
def test_rows_are_those_of_the_parts_joined_into_one(
    lengths: list[int], data: st.DataObject
) -> None:
    joined, whole = Joined(parts(lengths)), torch.cat(parts(lengths))
    assert joined.shape == whole.shape
    assert len(joined) == len(whole)
    assert torch.equal(torch.cat(list(pieces(joined))), whole)
    assert size(joined) == size(whole) == whole.nbytes
    number = st.integers(0, max(len(whole) - 1, 0))
    most = 8 if len(whole) else 0
    rows = torch.tensor(data.draw(st.lists(number, max_size=most)), dtype=torch.int64)
    assert torch.equal(joined[rows], whole[rows])
    chosen = torch.tensor(
        data.draw(st.lists(st.booleans(), min_size=len(whole), max_size=len(whole)))
    )
    assert torch.equal(joined[chosen.bool()], whole[chosen.bool()])
    start, stop = data.draw(st.integers(-3, 20)), data.draw(st.integers(-3, 20))
    assert torch.equal(joined[start:stop], whole[start:stop])


@pytest.mark.parametrize('row', [-1, 5])
def test_a_row_that_is_not_there_is_refused(row: int) -> None:
    with pytest.raises(IndexError, match=f'rows {row} to {row} of 5'):
        Joined(parts([2, 3]))[torch.tensor([row])]


def test_what_is_taken_out_is_a_copy() -> None:
    kept = parts([2, 3])
    Joined(kept)[torch.tensor([0, 4])].zero_()
    Joined(kept)[1:2].zero_()
    assert torch.equal(torch.cat(kept), torch.cat(parts([2, 3])))
