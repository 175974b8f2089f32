# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The picture of a session: what was shown, what was said of it, by which sensors, and how soon."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mm_perception.observation import NO_MODE, Modality, mode_of
from training.live.events import Event, Mode, Published
from training.live.judge import Judged, Truth, Verdict

# Colours that the colour-blind can tell apart (Okabe and Ito), and different marks.
_RIGHT, _WRONG, _UNJUDGED = '#0072B2', '#D55E00', '#777777'
_MODES = {'rgbd': '#009E73', 'rgb': '#E69F00', 'depth': '#56B4E9', NO_MODE: '#DDDDDD'}
_TRUTH = ('#DCE6F2', '#F2E8DC')
_ALIVE, _LOST = '#BBBBBB', '#FFFFFF'


@dataclass(frozen=True)
class Span:
    """What held from a time to another, in seconds since the first image was published."""

    start: float
    end: float
    name: str


@dataclass(frozen=True)
class Timeline:
    """A session in seconds since the first image was published.

    Attributes:
        end: The last thing that happened.
        truth: What was shown; left out where nobody knows.
        modes: The node's mode.
        lost: The sensors' silences, by the sensor's name.
        labels: Every label with the time of its receipt.

    """

    end: float
    truth: Sequence[Span]
    modes: Sequence[Span]
    lost: Sequence[Span]
    labels: Sequence[tuple[float, Judged]]

    @classmethod
    def of(cls, events: Iterable[Event], verdict: Verdict, truth: Truth) -> Timeline:
        """Lay a session out; empty when nothing was published."""
        events = list(events)
        frames = sorted(
            (e for e in events if isinstance(e, Published)), key=lambda frame: frame.wall
        )
        if not frames:
            return cls(0.0, (), (), (), ())
        begin = frames[0].wall
        last = max(frames[-1].wall, *(judged.label.wall for judged in verdict.labels), begin)
        shown = [(frame.wall, truth(frame.bag_time)) for frame in frames]
        modes = [(e.wall, e.mode) for e in events if isinstance(e, Mode)]
        lost = [
            Span(_seconds(gap.last, begin, begin), _seconds(gap.first, begin, last), gap.modality)
            for gap in verdict.gaps
        ]
        return cls(
            end=_seconds(last, begin),
            truth=spans(shown, begin, last),
            modes=spans(modes, begin, last),
            lost=lost,
            labels=[(_seconds(j.label.wall, begin), j) for j in verdict.labels],
        )


def spans(changes: Iterable[tuple[int, str | None]], begin: int, end: int) -> list[Span]:
    """Turn values at times, in ns and in order, into the spans in which they held.

    Args:
        changes: A time and the value from then on; None is none. Repetitions join.
        begin: Where the first span may begin, in ns: 0 s.
        end: Where the last one ends, in ns.

    """
    found: list[Span] = []
    current: str | None = None
    since = begin
    at_once = dict(changes)  # of several at one time the last holds
    for wall, value in (*at_once.items(), (end, None)):
        if value == current and wall < end:
            continue
        at = min(max(wall, begin), end)
        if current is not None and at > since:
            found.append(Span(_seconds(since, begin), _seconds(at, begin), current))
        current, since = value, at
    return found


def draw(timeline: Timeline, path: Path, title: str = '') -> None:
    """Write the picture, in the format that the path's suffix names."""
    figure = Figure(figsize=(13, 6.2), layout='constrained')
    FigureCanvasAgg(figure)
    shown, said, sensors, latency = figure.subplots(4, 1, sharex=True, height_ratios=(1, 3, 2, 3))
    _draw_truth(shown, timeline)
    _draw_labels(said, timeline)
    _draw_sensors(sensors, timeline)
    _draw_latency(latency, timeline)
    shown.set_title(title, loc='left')
    latency.set_xlabel('seconds since the first image')
    latency.set_xlim(0, max(timeline.end, 1e-3))
    figure.savefig(path, dpi=110)


def _draw_truth(axes: Axes, timeline: Timeline) -> None:
    for index, span in enumerate(timeline.truth):
        axes.axvspan(span.start, span.end, color=_TRUTH[index % 2])
        middle, angle = (span.start + span.end) / 2, _angle(span, timeline.end)
        axes.text(
            middle, 0.5, span.name, ha='center', va='center', rotation=angle, size=8, clip_on=True
        )
    axes.set_yticks([0.5], ['shown'])
    axes.set_ylim(0, 1)


def _angle(span: Span, whole: float) -> int:
    """Write upright what would not fit lying: a letter takes about a 160th of the width."""
    return 0 if (span.end - span.start) / whole > len(span.name) / 160 else 90


def _draw_labels(axes: Axes, timeline: Timeline) -> None:
    lanes = [str(Modality.DEPTH), str(Modality.RGB), mode_of(Modality)]
    groups = (
        ('right', _RIGHT, '|', [(t, j) for t, j in timeline.labels if j.right is True]),
        ('wrong', _WRONG, 'x', [(t, j) for t, j in timeline.labels if j.right is False]),
        ('not known', _UNJUDGED, '.', [(t, j) for t, j in timeline.labels if j.right is None]),
    )
    for name, colour, mark, labels in groups:
        if labels:
            times = [t for t, _ in labels]
            lane = [lanes.index(j.label.mode) for _, j in labels]
            axes.scatter(times, lane, marker=mark, s=60, color=colour, label=f'label {name}')
    for span in timeline.modes:
        if span.name in lanes:
            lane_of = lanes.index(span.name)
            axes.hlines(lane_of, span.start, span.end, color=_MODES[span.name], lw=10, alpha=0.35)
    axes.set_yticks(range(len(lanes)), [f'labels from {lane}' for lane in lanes])
    axes.set_ylim(-0.6, len(lanes) - 0.4)
    if timeline.labels:
        axes.legend(loc='upper right', ncols=3, fontsize=8)


def _draw_sensors(axes: Axes, timeline: Timeline) -> None:
    rows = [str(modality) for modality in reversed(Modality)]
    axes.barh(range(len(rows)), timeline.end, height=0.5, color=_ALIVE)
    for span in timeline.lost:
        row = rows.index(span.name)
        width = span.end - span.start
        axes.barh(row, width, left=span.start, height=0.5, color=_LOST, ec=_WRONG, hatch='///')
        axes.text(span.start + width / 2, row, 'lost', ha='center', va='center', clip_on=True)
    axes.set_yticks(range(len(rows)), [f'{row} camera' for row in rows])
    axes.set_ylim(-0.5, len(rows) - 0.5)


def _draw_latency(axes: Axes, timeline: Timeline) -> None:
    for mode, colour in _MODES.items():
        points = [(t, j.latency_ms) for t, j in timeline.labels if j.label.mode == mode]
        if points:
            times, latencies = zip(*points, strict=True)
            axes.scatter(times, latencies, s=12, color=colour, label=mode)
    axes.set_ylabel('image to label, ms')
    axes.set_ylim(bottom=0)
    if timeline.labels:
        axes.legend(loc='upper right', ncols=3, fontsize=8)


def _seconds(wall: int | None, begin: int, otherwise: int = 0) -> float:
    return ((otherwise if wall is None else wall) - begin) / 1e9
