# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any bytes are the Washington data set's list of trials, or are refused with the line at fault."""

from __future__ import annotations

from fuzz.promises import attempt
from fuzz.scratch import written

from training.recordings.washington import read_trials


def target(data: bytes) -> None:
    path = written('testinstance_ids.txt', data)
    trials = attempt(lambda: read_trials(path))
    if trials is not None:
        assert trials
        assert len({len(trial) for trial in trials}) == 1


def seeds() -> list[bytes]:
    trial = '****** trial {} ******\napple_{}\nbowl_1\n'
    whole = ''.join(trial.format(n, n) for n in (1, 2, 3))
    return [whole.encode(), whole.replace('2', '9' * 5000).encode(), b'*trial\xd9\xa1*\na_1\n']
