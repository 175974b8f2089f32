# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A verdict as a table to print."""

from __future__ import annotations

from rich.table import Table

from training.live.judge import ALLOWANCE_MS, PERIODS, Gap, Verdict

_LATE_MS = 50.0  # a player later than this was starved, and the figures are the machine's
_CAPTION = (
    'fail-over: last image of the lost sensor to first label without it; '
    'recovery: first pair to first label from both; latency: image sent to label received; '
    f'stale: from an image older than {PERIODS} periods + {ALLOWANCE_MS:g} ms + the inference; '
    "wrong mode: from one sensor though the other's image was there"
)


def verdict_table(verdict: Verdict) -> Table:
    """Lay the figures out, with what is allowed beside them."""
    table = Table(title='The node, live', title_justify='left', caption=_CAPTION)
    table.caption_justify = 'left'
    table.add_column('what', no_wrap=True)
    table.add_column('measured', justify='right', no_wrap=True)
    table.add_column('allowed', justify='right', no_wrap=True)
    for mode, (right, total) in verdict.score.items():
        table.add_row(f'accuracy from {mode}', f'{right / total:.1%} of {total}')
    if not verdict.score:
        table.add_row('accuracy', 'the recording tells no truth')
    for gap in verdict.gaps:
        _add_gap(table, gap)
    percentiles = [_ms(verdict.latency_ms(percent)) for percent in (50, 95, 100)]
    table.add_row('latency p50 / p95 / max', ' / '.join(percentiles))
    for mode in verdict.modes:
        table.add_row(f'inference from {mode}, median', _ms(verdict.inference_ms(mode)))
    table.add_row('labels a second', f'{verdict.rate:.1f}')
    table.add_row('labels said / explained', f'{verdict.said} / {verdict.heard}')
    _add_count(table, 'stale labels', verdict.stale)
    _add_count(table, 'labels in a wrong mode', verdict.wrong_mode)
    _add_count(table, 'labels from images never sent', verdict.untraced)
    if verdict.late_ms > _LATE_MS:
        table.add_row('[red]machine too busy: player late by', f'[red]{_ms(verdict.late_ms)}')
    return table


def _add_gap(table: Table, gap: Gap) -> None:
    if gap.last is not None:
        style = '' if gap.in_time else '[red]'
        measured, allowed = _ms(gap.fail_over_ms), _ms(gap.allowed_ms)
        table.add_row(f'{gap.modality} lost: fail-over', style + measured, allowed)
    if gap.first is not None:
        table.add_row(f'{gap.modality} back: recovery', _ms(gap.recovery_ms))


def _add_count(table: Table, what: str, count: int) -> None:
    table.add_row(what, f'[red]{count}' if count else '0', '0')


def _ms(value: float | None) -> str:
    return '-' if value is None else f'{value:.0f} ms'
