# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The world around the node, over DDS: a camera, ears for all it says, and hands for its services.

The node itself is a process of its own. What is here runs on threads of the tests' process.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from numpy.typing import NDArray
from participant import Participant
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from mm_perception.images import fill_image
from mm_perception.observation import Modality
from training.live.environment import live_environment, private_domain

RGB, DEPTH = Modality.RGB, Modality.DEPTH
NS = 1_000_000_000
PATIENCE = 60.0  # seconds, for what must come at all; importing torch alone takes many when busy
DOMAIN = private_domain()
NAMESPACE = '/robot'
NODE = f'{NAMESPACE}/mm_perception'
SIZE = (160, 120)
TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE,
    'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE,
    'cleanup': Transition.TRANSITION_CLEANUP,
    'unconfigured_shutdown': Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    'inactive_shutdown': Transition.TRANSITION_INACTIVE_SHUTDOWN,
    'active_shutdown': Transition.TRANSITION_ACTIVE_SHUTDOWN,
}


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> None:
    """Wait for something that must happen."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f'{what}: not within {patience} s'
        time.sleep(0.005)


class NodeProcess:
    """The real node, as the executable starts it."""

    def __init__(self, log: Path, *arguments: str, namespace: str = NAMESPACE) -> None:
        self.log = log
        command = [sys.executable, '-m', 'mm_perception.node', '--ros-args']
        command += ['-r', f'__ns:={namespace}', *arguments]
        with log.open('w') as file:
            self.process = subprocess.Popen(
                command, env=live_environment(DOMAIN), stdout=file, stderr=subprocess.STDOUT
            )

    def text(self) -> str:
        return self.log.read_text()

    def lines(self, level: str) -> list[str]:
        """What the node itself logged, without its client library."""
        lines = self.text().splitlines()
        ours = re.compile(rf'\[{level}\].*mm_perception(\.(rgb|depth))?\]')
        return [line for line in lines if ours.match(line)]

    def says(self, words: str) -> None:
        until(lambda: words in self.text() or self.process.poll() is not None, words)
        assert words in self.text(), self.text()

    def end(self, number: int = signal.SIGINT) -> tuple[int, float]:
        """Send a signal; return the exit code and how many seconds it took."""
        start = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE), time.monotonic() - start

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class Said:
    """A message of the node, with when it came, in ns of the wall clock."""

    at: int
    values: dict[str, str]
    header: Any

    @property
    def mode(self) -> str:
        return self.values['mode']

    def age(self, modality: Modality) -> float:
        """Seconds from the capture of the image used to the label's arrival here."""
        return (self.at - int(self.values[f'{modality}_stamp'])) / NS

    @property
    def inference(self) -> float:
        return float(self.values['inference_ms']) / 1e3


class Jitter:
    """How late a thread of this machine is woken, which no deadline can be held to."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            start = time.monotonic()
            time.sleep(0.005)
            self.worst = max(self.worst, time.monotonic() - start - 0.005)

    def stop(self) -> float:
        self._stop.set()
        self._thread.join()
        return self.worst


@dataclass
class Camera:
    """A simulated RGB-D camera, on a thread of its own.

    Attributes:
        rate: Frames a second.
        on: The sensors that send.
        alter: What is done to an image of a modality before it is sent.
        encodings: What the messages say they are.
        stamps: From the time of capture to each modality's stamp, in ns.
        frame_ids: By modality.
        sent: When each modality's frames were captured.

    """

    publish: Callable[[Modality, Any], None]
    rate: float = 10.0
    size: tuple[int, int] = SIZE
    on: set[Modality] = field(default_factory=lambda: set(Modality))
    alter: dict[Modality, Callable[[NDArray[Any]], NDArray[Any]]] = field(default_factory=dict)
    encodings: dict[Modality, str] = field(default_factory=lambda: {RGB: 'rgb8', DEPTH: '16UC1'})
    stamps: dict[Modality, Callable[[int], int]] = field(default_factory=dict)
    frame_ids: dict[Modality, str] = field(default_factory=lambda: dict.fromkeys(Modality, 'eye'))
    sent: dict[Modality, list[int]] = field(default_factory=lambda: {m: [] for m in Modality})

    def __post_init__(self) -> None:
        random = np.random.default_rng(0)
        width, height = self.size
        self._scene: dict[Modality, NDArray[Any]] = {
            RGB: random.integers(20, 230, (height, width, 3), dtype=np.uint8),
            DEPTH: random.integers(600, 3000, (height, width), dtype=np.uint16),
        }
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def period(self) -> float:
        return 1 / self.rate

    def only(self, *modalities: Modality) -> int:
        """Let only these send; return when the last frame of the others was captured, in ns."""
        with self._lock:
            lost = [m for m in self.on if m not in modalities]
            self.on = set(modalities)
            return max((self.sent[m][-1] for m in lost if self.sent[m]), default=0)

    def change(self, modality: Modality, how: Callable[[NDArray[Any]], NDArray[Any]]) -> int:
        """Alter a modality's images from now on; return when its last unaltered was captured."""
        with self._lock:
            self.alter[modality] = how
            return self.sent[modality][-1] if self.sent[modality] else 0

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        count = 0
        while not self._stop.is_set():
            with self._lock:
                at = time.time_ns()
                for modality in sorted(self.on, reverse=True):
                    self.publish(modality, self._message(modality, at, count))
                    self.sent[modality].append(at)
            count += 1
            due = max(due + self.period, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    def _message(self, modality: Modality, at: int, count: int) -> Image:
        # Moved from frame to frame, as no camera sends the same picture twice.
        image = np.roll(self._scene[modality], count, axis=1)
        image = self.alter.get(modality, lambda same: same)(image)
        stamp = self.stamps.get(modality, lambda same: same)(at)
        message = Image()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, NS)
        message.header.frame_id = self.frame_ids[modality]
        fill_image(message, image, 'rgb8' if modality is RGB else '16UC1')
        message.encoding = self.encodings[modality]
        return message


class Hands:
    """What an operator does to a node, through its services."""

    def __init__(self, ours: Any, name: str) -> None:
        self._state = ours.create_client(GetState, f'{name}/get_state')
        self._change = ours.create_client(ChangeState, f'{name}/change_state')
        self._set = ours.create_client(SetParametersAtomically, f'{name}/set_parameters_atomically')

    def state(self) -> str:
        label: str = ask(self._state, GetState.Request()).current_state.label
        return label

    def transit(self, name: str) -> bool:
        """Ask for a transition; return whether the node made it."""
        before = self.state()
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[name]
        # An answer that is lost, see ask: then the state tells whether the transition was made.
        answer = ask(self._change, request, lambda: self.state() != before)
        return answer is None or bool(answer.success)

    def bring_to(self, state: str) -> None:
        """Make the transitions that lead to a state."""
        order = ['unconfigured', 'inactive', 'active']
        up, down = ['configure', 'activate'], ['cleanup', 'deactivate']
        while (now := order.index(self.state())) != (goal := order.index(state)):
            name = up[now] if now < goal else down[now - 1]
            assert self.transit(name), f'{name} was refused'

    def set(self, **values: Any) -> tuple[bool, str]:
        """Set parameters; return whether that was accepted, and the reason if not."""
        request = SetParametersAtomically.Request()
        request.parameters = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
        result = ask(self._set, request).result
        return bool(result.successful), str(result.reason)


def ask(client: Any, request: Any, done: Callable[[], bool] = lambda: False) -> Any:
    """Call a service; None when no answer came but ``done`` says that it was done.

    A server answers before it has discovered the client's ear, and that answer is lost: DDS
    matches the two directions one after the other. So a question is asked again.
    """
    until(client.service_is_ready, f'service {client.srv_name}')
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        future = client.call_async(request)
        again = time.monotonic() + 5
        while time.monotonic() < again:
            if future.done():
                return future.result()
            time.sleep(0.005)
        client.remove_pending_request(future)
        if done():
            return None
    raise AssertionError(f'{client.srv_name}: no answer within {PATIENCE} s')


class Outside(Participant, Hands):
    """One ROS node that is everything around ours."""

    def __init__(self) -> None:
        Participant.__init__(self, 'outside', DOMAIN)
        self.labels: list[str] = []
        self.said: list[Said] = []
        self.objects: list[list[Said]] = []
        self.modes: list[tuple[int, str]] = []
        self.reports: list[tuple[int, dict[str, Any]]] = []
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._images = {
            m: self.node.create_publisher(Image, f'{NAMESPACE}/{m}/image', qos) for m in Modality
        }
        self.infos = {
            m: self.node.create_publisher(CameraInfo, f'{NAMESPACE}/{m}/camera_info', qos)
            for m in Modality
        }
        self._clock = self.node.create_publisher(Clock, '/clock', 10)
        self._listen()
        Hands.__init__(self, self.node, NODE)
        self.begin()

    def _listen(self) -> None:
        kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(
            String, f'{NAMESPACE}/object_label', lambda m: self.labels.append(m.data), 10
        )
        self.node.create_subscription(DiagnosticArray, f'{NODE}/prediction', self._on_said, 10)
        self.node.create_subscription(
            String, f'{NODE}/modality', lambda m: self.modes.append((time.time_ns(), m.data)), kept
        )
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_report, 10)

    def _on_said(self, message: Any) -> None:
        values = [{pair.key: pair.value for pair in s.values} for s in message.status]
        said = [Said(time.time_ns(), each, message.header) for each in values]
        self.objects.append(said)
        self.said += said[:1]  # of several objects the main one's

    def _on_report(self, message: Any) -> None:
        statuses = {s.name.removeprefix(f'{NODE}: '): s for s in message.status}
        self.reports.append((time.time_ns(), statuses))

    def publish(self, modality: Modality, message: Any) -> None:
        self._images[modality].publish(message)

    def tick(self, now: int) -> None:
        """Tell the simulated time, in ns."""
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(now, NS)
        self._clock.publish(message)

    # Ears -----------------------------------------------------------------------------------------

    def mode(self) -> str:
        return self.modes[-1][1] if self.modes else ''

    def wait_for_mode(self, mode: str, patience: float = PATIENCE) -> None:
        until(lambda: self.mode() == mode, f'mode {mode}', patience)

    def wait_for_labels(self, mode: str, count: int = 1, since: int | None = None) -> list[Said]:
        """Wait for labels of a mode that come after a time; by default from now on."""
        start = time.time_ns() if since is None else since
        until(lambda: len(self.labels_since(start, mode)) >= count, f'{count} labels of {mode}')
        return self.labels_since(start, mode)

    def labels_since(self, start: int, *modes: str) -> list[Said]:
        return [s for s in list(self.said) if s.at >= start and (not modes or s.mode in modes)]

    def report(self, subject: str, check: Callable[[Any], bool], what: str) -> Any:
        """Wait for a report from now on in which a status is as it should be; return it."""
        start = time.time_ns()

        def found() -> Sequence[Any]:
            statuses = [s[subject] for at, s in list(self.reports) if at >= start and subject in s]
            return [status for status in statuses if check(status)]

        until(found, f'diagnostics of {subject}: {what}')
        return found()[-1]


def fill_compressed(message: Any, data: bytes, how: str) -> None:
    """Put a compressed image into a sensor_msgs/CompressedImage."""
    message.format = how
    message.data = array('B', data)


def in_environment() -> None:
    """Give this process the environment that the node's has; before the first rclpy.init."""
    os.environ.update(live_environment(DOMAIN))
