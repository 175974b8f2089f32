# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import cv2
import ledger_picture
from ledger import Ledger, Row
from rich.console import Console

if TYPE_CHECKING:
    from pathlib import Path

ROWS = (
    Row('model', 'a file is cut short', 'one line, exit code 2', 0),
    Row('sensor', 'depth is unplugged', 'rgb goes on', 40, 1, (90.0, 110.0), 140.0, (30.0,), 2.0),
    Row('image', 'rgb is black', 'depth goes on', 30, 0, (150.0,), 140.0, (20.0,), 12.0),
)


def filled() -> Ledger:
    kept = Ledger()
    for row in ROWS:
        kept.add(row)
    return kept


def test_table_says_its_form_and_mean_and_worst_of_each_fault_and_of_all() -> None:
    shown = Console(file=io.StringIO(), width=200)
    shown.print(filled().table('short'))
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert 'short form: 3 faults, 70 labels, 1 of them broke a promise' in text
    assert 'fail-over 117 / 150 ms, recovery 25 / 30 ms' in text
    assert '100 / 110' in text
    assert text.index('depth is unplugged') < text.index('rgb is black') < text.index('cut short')


def test_row_of_another_attempt_takes_the_place_of_the_first() -> None:
    kept = filled()
    kept.replace(Row('image', 'rgb is black', 'depth goes on', 7))
    assert len(kept.rows) == len(ROWS)
    assert [row.labels for row in kept.rows if row.group == 'image'] == [7]


def test_csv_holds_every_row_with_its_figures(tmp_path: Path) -> None:
    filled().write(tmp_path / 'faults.csv')
    with (tmp_path / 'faults.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['group'] for row in rows] == ['sensor', 'image', 'model']
    assert (rows[0]['fail_over_mean_ms'], rows[0]['fail_over_worst_ms']) == ('100.0', '110.0')
    assert (rows[0]['broken'], rows[2]['fail_overs'], rows[2]['allowed_ms']) == ('1', '0', '')


def test_picture_is_written(tmp_path: Path) -> None:
    ledger_picture.draw(filled().rows, tmp_path / 'faults.png', 'three faults')
    assert cv2.imread(str(tmp_path / 'faults.png')) is not None
