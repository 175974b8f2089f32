# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The real node among processes that can be broken: two eyes of a camera, and a judge's ear.

All of them talk over DDS, in a domain of their own. The machine's delays are measured beside.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import playable
from machine import Machine
from orders import Orders, Shot
from outside import NS, PATIENCE, Hands, until
from participant import Participant
from rosgraph_msgs.msg import Clock

from mm_perception.observation import Modality
from training.live.environment import live_environment
from training.live.events import Event, Label, Mode, Ready, Said, Status
from training.live.processes import Child

RGB, DEPTH = Modality.RGB, Modality.DEPTH
OTHER = {RGB: DEPTH, DEPTH: RGB}
DOMAIN = 20 + (os.getpid() + 40) % 80  # another than that of the tests with one process outside
NODE = '/mm_perception'
HERE = Path(__file__).parent
TOPICS = {RGB: playable.RGB, DEPTH: playable.DEPTH}
SETTLED = 4  # labels from both in a row: the stream is well


class Process:
    """A process whose lines are read on a thread, and that may be told lines and sent signals."""

    def __init__(self, log: Path, command: list[str], take: Callable[[str], object]) -> None:
        environment = live_environment(DOMAIN)
        environment['PYTHONPATH'] += os.pathsep + str(HERE)
        with log.open('ab') as file:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                start_new_session=True,
            )
        self._take = take
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f'{line}\n')
        self._process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it; all that it has told has been taken when this returns."""
        self._process.send_signal(number)
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(('{', '[')):  # else a library's chatter
                self._take(line)


@dataclass
class World:
    """The node, what it is told, and what it says.

    Attributes:
        folder: Of the processes' logs.
        bag: What the eyes play.
        events: What the node said, in the order in which it came.
        shots: What the eyes sent, each one's in its own order.
        machine: How long this machine kept the node waiting.
        usual: The options of eyes that are well.

    """

    folder: Path
    bag: Path
    events: list[Event] = field(default_factory=list)
    shots: list[Shot] = field(default_factory=list)
    machine: Machine = field(default_factory=Machine)
    usual: tuple[str, ...] = ()
    _options: dict[Modality, tuple[str, ...]] = field(default_factory=dict)
    _eyes: dict[Modality, Process] = field(default_factory=dict)
    _origin: int = field(default_factory=time.time_ns)

    # Hands ----------------------------------------------------------------------------------------

    def start(self, modality: Modality, *options: str) -> None:
        """Start an eye; without options as usual."""
        self._options[modality] = options = options or self.usual
        command = [str(HERE / 'camera_process.py'), str(self.bag), modality, str(self._origin)]
        log = self.folder / f'{modality}.log'
        self._eyes[modality] = Process(log, [*command, *options], self._take_shot)

    def kill(self, modality: Modality) -> None:
        """Kill an eye's process, with everything it has under way."""
        if modality in self._eyes:
            self._eyes.pop(modality).end()

    def quit(self, modality: Modality) -> None:
        """End an eye's process in order: it takes leave of those who listen."""
        self._eyes.pop(modality).end(signal.SIGINT)

    def restart(self, *options: str) -> None:
        """Start both eyes anew."""
        for modality in Modality:
            if modality in self._eyes:
                self.quit(modality)
            self.start(modality, *options)

    def signal(self, modality: Modality, number: signal.Signals) -> None:
        """Send an eye's process a signal."""
        self._eyes[modality].send(number)

    def mend(self) -> None:
        """Bring both eyes back to work, whatever was done to them."""
        for modality in Modality:
            well = modality in self._eyes and self._eyes[modality].alive
            if not well or self._options[modality] != self.usual:
                self.kill(modality)
                self.start(modality)
            self.signal(modality, signal.SIGCONT)
        self.order()

    def order(self, *modalities: Modality, **orders: Any) -> None:
        """Order eyes to work so from now on; what is not named is as in one that is well."""
        line = Orders(**orders).model_dump_json()
        for modality in modalities or Modality:
            self._eyes[modality].tell(line)

    def close(self) -> None:
        for modality in Modality:
            self.kill(modality)

    # Eyes and ears --------------------------------------------------------------------------------

    def _take_shot(self, line: str) -> None:
        self.shots.append(Shot.model_validate_json(line))

    def hear(self, event: Event) -> None:
        self.events.append(event)

    def labels(self, start: int = 0, mode: str | None = None) -> list[Label]:
        """The labels that were received since a time in ns, of one mode or all."""
        return [
            event
            for event in list(self.events)
            if isinstance(event, Label) and event.wall >= start and mode in (None, event.mode)
        ]

    def said(self, labels: Sequence[Label]) -> int:
        """How many labels came on the topic that robots listen to, in the time of these."""
        start, end = (labels[0].wall, labels[-1].wall) if labels else (0, 0)
        walls = [event.wall for event in list(self.events) if isinstance(event, Said)]
        return sum(start <= wall <= end for wall in walls)

    def modes(self) -> list[Mode]:
        return [event for event in list(self.events) if isinstance(event, Mode)]

    def mode(self) -> str:
        modes = self.modes()
        return modes[-1].mode if modes else ''

    def statuses(self, subject: str, start: int) -> list[Status]:
        """What diagnostics said of a subject since a time."""
        return [
            event
            for event in list(self.events)
            if isinstance(event, Status) and event.subject == subject and event.wall >= start
        ]

    def wait_for_mode(self, mode: str, patience: float = PATIENCE) -> None:
        until(lambda: self.mode() == mode, f'mode {mode}', patience)

    def wait_for_labels(self, mode: str | None, count: int = SETTLED) -> None:
        """Wait for labels of a mode that come from now on."""
        start = time.time_ns()
        until(lambda: len(self.labels(start, mode)) >= count, f'{count} labels from {mode}')

    def wait_until_well(self) -> None:
        """Wait until labels come from both eyes, one after the other."""
        start = time.time_ns()

        def well() -> bool:
            newest = self.labels(start)[-SETTLED:]
            return len(newest) == SETTLED and {label.mode for label in newest} == {'rgbd'}

        until(well, f'{SETTLED} labels from both in a row')
        self.wait_for_mode('rgbd')

    def wait_for_status(self, subject: str, words: str, start: int, patience: float = 10.0) -> int:
        """Wait until diagnostics say something; return when they did first."""

        def found() -> list[int]:
            return [s.wall for s in self.statuses(subject, start) if words in s.message]

        until(found, f'diagnostics of {subject}: {words}', patience)
        return found()[0]


@contextmanager
def running_world(folder: Path, bundle: Path, bag: Path, *parameters: str) -> Iterator[World]:
    """Start everything, the node as in production, and end it for certain."""
    world = World(folder, bag)
    with ExitStack() as stack:
        stack.enter_context(_child(folder, 'ear', ['training.live.listener'], world))
        until(lambda: any(isinstance(e, Ready) for e in list(world.events)), 'the ear')
        arguments = ['-p', f'model:={bundle}', '-p', 'autostart:=true']
        for parameter in parameters:
            arguments += ['-p', parameter]
        for modality, topic in TOPICS.items():
            arguments += ['-r', f'{modality}/image:={topic}']
        command = ['mm_perception.node', '--ros-args', *arguments]
        node = stack.enter_context(_child(folder, 'node', command))
        stack.callback(world.close)
        command = [str(HERE / 'machine.py'), str(node._process.pid)]
        machine = Process(folder / 'machine.log', command, world.machine.add)
        stack.callback(machine.end)
        world.restart()
        until(lambda: world.labels() or node.ended, 'a first label')
        assert not node.ended, node.last_words()
        yield world
        assert not node.ended, node.last_words()


def _child(folder: Path, name: str, command: list[str], world: World | None = None) -> Child:
    return Child(
        name,
        [sys.executable, '-m', *command],
        {**live_environment(DOMAIN), 'OMP_NUM_THREADS': '1'},
        folder / f'{name}.log',
        told=None if world is None else world.hear,
    )


class Operator(Participant, Hands):
    """Somebody with a terminal: sets parameters, changes states, tells a simulated time."""

    def __init__(self) -> None:
        Participant.__init__(self, 'operator', DOMAIN)
        Hands.__init__(self, self.node, NODE)
        self._clock = self.node.create_publisher(Clock, '/clock', 10)
        self.begin()

    def tick(self, now: int) -> None:
        """Tell the simulated time, in ns."""
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(now, NS)
        self._clock.publish(message)

    @contextmanager
    def with_parameters(self, **values: Any) -> Iterator[None]:
        """Configure the node with other values, and with the former ones again."""
        former = {'rgb_transport': 'raw', 'depth_transport': 'raw', 'reliability': 'best_effort'}
        self._reconfigure(values)
        try:
            yield
        finally:
            self._reconfigure({name: former[name] for name in values})

    def _reconfigure(self, values: Mapping[str, Any]) -> None:
        self.bring_to('unconfigured')
        accepted, why = self.set(**values)
        assert accepted, why
        self.bring_to('active')
