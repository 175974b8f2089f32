# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What was measured is believed on the machine that measured it, if it can be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundles import make_bundle

from mm_perception.engines import EngineSettings, candidates
from mm_perception.engines.record import FOLDER, Machine, Record, Trial, fastest


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / 'bundle')


def trial(milliseconds: float, *, usable: bool = True) -> Trial:
    return Trial(
        engine='torch', precision='float32', milliseconds=milliseconds, error=0, usable=usable
    )


def test_fastest_is_one_that_can_be_used() -> None:
    assert fastest([]) is None
    assert fastest([trial(1, usable=False)]) is None
    assert fastest([trial(3), trial(1, usable=False), trial(2)]) == trial(2)


def test_record_of_another_machine_is_not_believed(bundle: Path) -> None:
    allowed = candidates(EngineSettings(), quantized=False)
    here = Machine.this(bundle, allowed)
    elsewhere = here.model_copy(update={'processor': 'another'})
    Record(bundle, elsewhere).keep([trial(1)])
    assert Record(bundle, elsewhere).read() == (trial(1),)
    assert Record(bundle, here).read() == ()


@pytest.mark.parametrize('content', ['', '{', 'machine: 1', '- a\n', '\0', 'trials: []\n'])
def test_record_that_is_damaged_is_measured_anew(bundle: Path, content: str) -> None:
    machine = Machine.this(bundle, candidates(EngineSettings(), quantized=False))
    record = Record(bundle, machine)
    record.keep([])
    (file,) = (bundle / FOLDER).iterdir()
    file.write_text(content)
    assert record.read() == ()
