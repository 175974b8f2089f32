# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Shows a session while it runs: a panel on a terminal, lines elsewhere."""

from __future__ import annotations

from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mm_perception.observation import NO_MODE, Modality
from training.live.events import Event, Label, Lost, Mode, Published, Status
from training.live.judge import Judged, Played, Truth, judge_label

if TYPE_CHECKING:
    from typing_extensions import Self

_MODE_STYLES = {'rgbd': 'bold green', 'rgb': 'bold yellow', 'depth': 'bold cyan'}
_LEVEL_STYLES = ('green', 'yellow', 'red', 'dim')


class Scene:
    """What can be said of the session so far.

    Attributes:
        shown: The object that the newest published image shows; None where nobody knows.
        newest: The newest label, judged.
        mode: The node's mode.
        unplugged: The sensors that the player keeps silent.
        sensors: What the node says of each sensor: level and message.
        right: How many labels were right, by mode.
        judged: Of how many, by mode.
        seconds: Of the recording, so far.

    """

    def __init__(self, truth: Truth) -> None:
        self.shown: str | None = None
        self.newest: Judged | None = None
        self.mode = NO_MODE
        self.unplugged: set[Modality] = set()
        self.sensors: dict[str, tuple[int, str]] = {}
        self.right: Counter[str] = Counter()
        self.judged: Counter[str] = Counter()
        self.seconds = 0.0
        self._truth = truth
        self._played = Played()

    def take(self, event: Event) -> None:
        """Take the next event."""
        self._played.add(event)
        if isinstance(event, Published):
            self.shown = self._truth(event.bag_time)
            self.seconds = event.bag_time / 1e9
            self.unplugged.discard(event.modality)
        elif isinstance(event, Lost):
            self.unplugged.add(event.modality)
        elif isinstance(event, Mode):
            self.mode = event.mode
        elif isinstance(event, Status) and event.subject in [str(m) for m in Modality]:
            self.sensors[event.subject] = event.level, event.message
        elif isinstance(event, Label):
            self._take_label(event)

    def _take_label(self, label: Label) -> None:
        judged = judge_label(label, self._played, self._truth)
        if judged is None:
            return
        self.newest = judged
        if judged.right is not None:
            self.judged[label.mode] += 1
            self.right[label.mode] += judged.right

    @property
    def accuracy(self) -> str:
        """By mode, for a person."""
        parts = [
            f'{mode} {self.right[mode] / count:.0%} of {count}'
            for mode, count in self.judged.items()
        ]
        return '   '.join(parts) or '-'


class Screen:
    """Shows a scene; to be updated some times a second."""

    def __init__(self, scene: Scene, console: Console, duration: float) -> None:
        """Prepare.

        Args:
            scene: What to show.
            console: Where.
            duration: Of the recording, in seconds.

        """
        self._scene, self._console, self._duration = scene, console, duration
        self._live: Live | None = None
        self._said: tuple[str, str | None, frozenset[Modality]] | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(self._panel(), console=self._console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self) -> None:
        """Show how things stand now."""
        if self._live is not None:
            self._live.update(self._panel(), refresh=True)
        else:
            self._say()

    def _say(self) -> None:
        """Print a line when the object, the mode or a sensor has changed, and a label has come."""
        scene, newest = self._scene, self._scene.newest
        if newest is None:
            return
        now = newest.label.mode, newest.truth, frozenset(scene.unplugged)
        if now == self._said:
            return
        self._said = now
        unplugged = ''.join(f', {m} lost' for m in sorted(scene.unplugged))
        self._console.print(
            f'{scene.seconds:6.2f} s  {newest.label.mode:5}  {_sentence(newest).plain}{unplugged}',
            highlight=False,
        )

    def _panel(self) -> Panel:
        scene = self._scene
        grid = Table.grid(padding=(0, 3))
        grid.add_column(style='dim')
        grid.add_column()
        grid.add_row('shown', Text(scene.shown or '-', style='bold'))
        grid.add_row('label', Text('-') if scene.newest is None else _sentence(scene.newest))
        grid.add_row('mode', Text(scene.mode, style=_MODE_STYLES.get(scene.mode, 'bold red')))
        for modality in Modality:
            grid.add_row(f'{modality} camera', self._sensor(modality))
        grid.add_row('right so far', scene.accuracy)
        bar = ProgressBar(self._duration, min(scene.seconds, self._duration), width=60)
        seconds = Text(f'{scene.seconds:.1f} of {self._duration:.1f} s', style='dim')
        return Panel(Group(grid, bar, seconds), title='mm_perception, live', width=100)

    def _sensor(self, modality: Modality) -> Text:
        level, message = self._scene.sensors.get(str(modality), (3, 'nothing heard of it yet'))
        text = Text(message, style=_LEVEL_STYLES[min(level, 3)], overflow='ellipsis', no_wrap=True)
        if modality in self._scene.unplugged:
            return Text('unplugged  ', style='bold red') + text
        return text


def _sentence(judged: Judged) -> Text:
    label = judged.label
    mark, style = {True: ('right', 'green'), False: ('wrong', 'red'), None: ('', '')}[judged.right]
    text = Text(f'{label.label} {label.confidence:.0%}', style=style)
    if judged.right is False:
        mark = f'wrong: it is {judged.truth}'
    return text + Text(f'  {mark}' if mark else '', style=style)
