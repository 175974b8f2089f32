# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A session: the node as a process of its own, a recording played to it, its labels judged."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from mm_perception.errors import RecordingError
from mm_perception.manifest import read_manifest
from training.live.camera import Camera, open_recording
from training.live.environment import live_environment, private_domain
from training.live.events import Ended, Event, Ready, Status
from training.live.judge import Truth, Verdict, judge
from training.live.losses import Loss
from training.live.processes import Child, Inbox, SessionError
from training.live.screen import Scene, Screen
from training.live.table import verdict_table
from training.live.timeline import Timeline, draw
from training.recordings.bags import STRING, Recording
from training.recordings.labels import from_topic

TRUTH_TOPIC = '/object_label_truth'
"""Where a simulated recording tells what it shows."""

_START = 180.0  # seconds that the node has to load its model; a cold disk is slow
_MEET = 20.0  # seconds that the processes have to find each other
_AFTER = 2.0  # seconds that the last labels have to come
_SLACK = 60.0  # seconds that the player may take longer than the recording lasts
_TICK = 0.1  # seconds between two looks at what has come, and two updates of the screen
_TRANSPORTS = ('compressedDepth', 'compressed')
_ERROR = 2  # the level of diagnostic_msgs/DiagnosticStatus


@dataclass(frozen=True)
class LiveResult:
    """What a session gave.

    Attributes:
        verdict: The judge's.
        picture: The timeline.
        workdir: Where everything lies: the picture, the events, the processes' logs.

    """

    verdict: Verdict
    picture: Path
    workdir: Path


def run_live(
    bundle: Path,
    recording: Path,
    losses: Sequence[Loss],
    workdir: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    rate: float = 1.0,
    truth_topic: str = TRUTH_TOPIC,
    domain: int | None = None,
    console: Console | None = None,
) -> LiveResult:
    """Play a recording to the node over DDS, lose sensors, show and judge what it says.

    Args:
        bundle: The trained classifier.
        recording: A bag.
        losses: When which sensor is silent, in seconds of the recording.
        workdir: Takes the picture, the events and the logs; made if it is not there.
        parameters: More of the node's parameters, such as ``device``.
        rate: How many times as fast to play.
        truth_topic: Where the recording tells what it shows; without it nothing is right or wrong.
        domain: The ROS domain; None chooses one.
        console: Where to show it; None takes standard output.

    Raises:
        SessionError: A process died, was refused, or did not get ready in time.
        BundleError, RecordingError, SettingsError, LabelError: What was given cannot be used.

    """
    console = console or Console()
    manifest = read_manifest(bundle)
    bag = open_recording(recording)
    camera = Camera.of(bag)
    missing = [m for m in manifest.pipeline.modalities if m not in camera.images]
    if len(missing) == len(manifest.pipeline.modalities):
        raise RecordingError(f'{recording}: holds no {" or ".join(missing)} images for {bundle}')
    truth = _truth(bag, truth_topic)
    workdir.mkdir(parents=True, exist_ok=True)
    settings = {**(parameters or {}), 'model': str(bundle.resolve()), 'autostart': True}
    session = _Session(
        workdir,
        live_environment(private_domain() if domain is None else domain),
        Scene(truth),
        console,
    )
    with _terminable(), ExitStack() as stack:
        session.open(stack)
        session.start_node(stack, camera, settings)
        session.play(stack, bag, losses, rate)
    verdict = judge(session.inbox.events, truth)
    picture = workdir / 'timeline.png'
    draw(Timeline.of(session.inbox.events, verdict, truth), picture, f'{bag.name}, live')
    console.print(verdict_table(verdict))
    console.print(f'The picture of it: {picture}', soft_wrap=True, highlight=False)
    return LiveResult(verdict, picture, workdir)


class _Session:
    """The processes, and what they tell."""

    def __init__(
        self, workdir: Path, environment: Mapping[str, str], scene: Scene, console: Console
    ) -> None:
        self.inbox = Inbox(workdir / 'events.jsonl')
        self._workdir, self._environment = workdir, environment
        self._scene, self._console = scene, console
        self._children: list[Child] = []

    def open(self, stack: ExitStack) -> None:
        """Begin to listen: before there is anything to hear."""
        stack.callback(self.inbox.close)
        command = [sys.executable, '-m', 'training.live.listener']
        self._start(stack, 'listener', command, talks=True)
        self._wait('the listener', lambda event: isinstance(event, Ready), _MEET)

    def start_node(self, stack: ExitStack, camera: Camera, settings: Mapping[str, Any]) -> None:
        """Start the node and wait until it is active."""
        transports, remaps = _connect(camera)
        file = self._workdir / 'node.yaml'
        content = {'/**': {'ros__parameters': {**transports, **settings}}}
        file.write_text(yaml.safe_dump(content), encoding='utf-8')
        arguments = ['--ros-args', '--params-file', str(file)]
        for ours, theirs in remaps.items():
            arguments += ['-r', f'{ours}:={theirs}']
        self._start(stack, 'node', [sys.executable, '-m', 'mm_perception.node', *arguments])
        with self._console.status('The node loads its model'):
            self._wait('the node', _is_active, _START)

    def play(
        self, stack: ExitStack, recording: Recording, losses: Sequence[Loss], rate: float
    ) -> None:
        """Play the recording to its end, and show what comes of it."""
        command = [sys.executable, '-m', 'training.live.player', str(recording.path.resolve())]
        command += ['--rate', str(rate), '--wait', str(_MEET)]
        for loss in losses:
            command += ['--lose', str(loss.modality), str(loss.start), str(loss.end)]
        self._start(stack, 'player', command, talks=True)
        with Screen(self._scene, self._console, recording.duration) as screen:
            self._wait('the player', lambda event: isinstance(event, Ready), _MEET + _SLACK, screen)
            patience = recording.duration / rate + _SLACK
            self._wait('the player', lambda event: isinstance(event, Ended), patience, screen)
        self._linger()

    def _start(
        self, stack: ExitStack, name: str, command: Sequence[str], *, talks: bool = False
    ) -> None:
        log = self._workdir / f'{name}.log'
        told = self.inbox.put if talks else None
        child = Child(name, command, self._environment, log, told=told)
        self._children.append(stack.enter_context(child))

    def _wait(
        self,
        whom: str,
        until: Callable[[Event], bool],
        patience: float,
        screen: Screen | None = None,
    ) -> None:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            faults = [fault for child in self._children if (fault := child.fault())]
            # What a process said before it ended counts: these events come after that look.
            if any([until(event) for event in self._take(screen)]):  # noqa: C419 - look at all
                return
            if faults:
                raise SessionError(faults[0])
        last = self._children[-1]
        raise SessionError(
            f'{whom}: not there after {patience:.0f} s: {last.last_words()} ({last.log})'
        )

    def _linger(self) -> None:
        """Let the last labels come; the screen stays as it was while there was something to see."""
        end = time.monotonic() + _AFTER
        while time.monotonic() < end:
            self._take(None)

    def _take(self, screen: Screen | None) -> list[Event]:
        time.sleep(_TICK)
        fresh = self.inbox.fetch()
        for event in fresh:
            self._scene.take(event)
        if screen is not None:
            screen.update()
        return fresh


def _truth(recording: Recording, topic: str) -> Truth:
    if topic not in recording.topics_of(STRING):
        return lambda _: None
    labels = from_topic(topic, [recording])
    return lambda bag_time: labels.at(recording.name, bag_time)


def _connect(camera: Camera) -> tuple[dict[str, str], dict[str, str]]:
    """Tell which transports the node is to use, and what its input topics are called."""
    transports, remaps = {}, {}
    for modality, topic in camera.images.items():
        base, _, last = topic.rpartition('/')
        if last in _TRANSPORTS:
            transports[f'{modality}_transport'] = last
        remaps[f'{modality}/image'] = base if last in _TRANSPORTS else topic
        if modality in camera.infos:
            remaps[f'{modality}/camera_info'] = camera.infos[modality]
    return transports, remaps


def _is_active(event: Event) -> bool:
    """Whether the node says that it is active.

    Raises:
        SessionError: It says why it will never be.

    """
    if not isinstance(event, Status) or event.subject != 'model':
        return False
    if event.level == _ERROR:
        raise SessionError(f'the node: {event.message}')
    return event.values.get('lifecycle') == 'active'


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the session as Ctrl-C does, so that no process outlives it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
