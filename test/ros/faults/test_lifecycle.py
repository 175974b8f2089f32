# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every transition in every state, long walks through them, and two who do not agree."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from ledger import Ledger, Row
from lifecycle_msgs.msg import Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState
from outside import NAMESPACE, NODE, Camera, Hands, NodeProcess, Outside, Said, until
from trial import threads

from mm_perception.observation import Modality

if TYPE_CHECKING:
    from pathlib import Path

    from trial import Trial

LONG = pytest.mark.long
LEGAL = {
    ('unconfigured', 'configure'): 'inactive',
    ('unconfigured', 'unconfigured_shutdown'): 'finalized',
    ('inactive', 'activate'): 'active',
    ('inactive', 'cleanup'): 'unconfigured',
    ('inactive', 'inactive_shutdown'): 'finalized',
    ('active', 'deactivate'): 'inactive',
    ('active', 'active_shutdown'): 'finalized',
}
"""The state machine of ROS 2's managed nodes, as far as anybody outside may move it."""

IDS = {
    name.removeprefix('TRANSITION_').lower(): getattr(Transition, name)
    for name in dir(Transition)
    if name.startswith('TRANSITION_')
} | {'unheard_of': 200}
NAMES = ('configure', 'activate', 'deactivate', 'cleanup', 'shutdown', 'destroy', 'transition', ' ')
SETTLED = 5.0  # seconds


class Asker(Hands):
    """Asks for any transition, by its number or by its name."""

    def __init__(self, ours: Any, name: str = NODE) -> None:
        super().__init__(ours, name)
        self.state()
        # An answer to the first question may be lost, see Hands; to this one it is always no.
        until(lambda: self._answered(IDS['unheard_of']), 'an answer')

    def ask(self, number: int = 0, label: str = '') -> bool:
        """Return whether the node made the transition."""
        future = self._asked(number, label)
        until(future.done, f'an answer to {label or number}')
        return bool(future.result().success)

    def _answered(self, number: int) -> bool:
        future, end = self._asked(number, ''), time.monotonic() + 2
        while not future.done() and time.monotonic() < end:
            time.sleep(0.01)
        return bool(future.done())

    def _asked(self, number: int, label: str) -> Any:
        request = ChangeState.Request()
        request.transition.id, request.transition.label = number, label
        return self._change.call_async(request)


@pytest.fixture(scope='module')
def askers(everything_outside: Outside, perception: NodeProcess) -> list[Asker]:  # noqa: ARG001 - whom they ask
    return [Asker(everything_outside.node) for _ in range(2)]


@pytest.fixture
def asker(askers: list[Asker]) -> Asker:
    return askers[0]


def listens(outside: Outside) -> int:
    """Count the node's image subscriptions."""
    return sum(outside.node.count_subscribers(f'{NAMESPACE}/{m}/image') for m in Modality)


def refuse_all(asker: Asker, state: str) -> int:
    """Ask twice for each transition that the state has not; return how many were asked for."""
    asked = 0
    for name, number in IDS.items():
        if (state, name) in LEGAL:
            continue
        for _ in range(2):
            assert not asker.ask(number), f'{name} in {state}'
            asked += 1
        assert asker.state() == state, name
    legal = {name.split('_')[-1] for known, name in LEGAL if known == state}
    for name in NAMES:
        if name not in legal:
            assert not asker.ask(label=name), f'{name!r} in {state}'
            assert asker.state() == state, name
            asked += 1
    return asked


def test_transition_that_a_state_has_not_is_refused_and_changes_nothing(
    trial: Trial, outside: Outside, asker: Asker
) -> None:
    camera = Camera(outside.publish)
    try:
        for state in ('unconfigured', 'inactive', 'active'):
            outside.bring_to(state)
            fault = f'every other transition asked for twice while {state}'
            with trial.of('lifecycle', fault, 'refused; nothing changes', camera):
                assert refuse_all(asker, state) > 2 * len(IDS) - 10
                if state == 'active':
                    outside.wait_for_labels('rgbd', 1)
                until(lambda: listens(outside) == 2 * (state == 'active'), 'subscriptions')  # noqa: B023 - waited for here
            assert state == 'active' or not trial.labels
    finally:
        camera.stop()


@contextmanager
def own_node(outside: Outside, folder: Path, bundle: Path) -> Iterator[tuple[NodeProcess, Asker]]:
    """Start a node that may come to its end."""
    namespace = f'/ending{len(list(folder.iterdir()))}'
    node = NodeProcess(folder / namespace[1:], '-p', f'model:={bundle}', namespace=namespace)
    try:
        yield node, Asker(outside.node, f'{namespace}/mm_perception')
    finally:
        node.kill()


@LONG
@pytest.mark.parametrize('state', ['unconfigured', 'inactive', 'active'])
@pytest.mark.parametrize('by_name', [False, True], ids=['by number', 'by name'])
def test_finalized_node_stays_so_whatever_is_asked_and_ends_at_a_signal(
    outside: Outside, ledger: Ledger, tmp_path: Path, bundle: Path, state: str, by_name: bool
) -> None:
    with own_node(outside, tmp_path, bundle) as (node, asker):
        asker.bring_to(state)
        if by_name:
            assert asker.ask(label='shutdown')
        else:
            assert asker.ask(IDS[f'{state}_shutdown'])
        assert refuse_all(asker, 'finalized')
        code, _ = node.end()
        ledger.add(
            Row('lifecycle', f'shut down while {state}', 'finalized for good; ends with 0', 0)
        )
        assert code == 0
        assert 'Traceback' not in node.text()


class Walk:
    """Asks for transitions at random, and knows what has to come of each.

    Attributes:
        state: In which the node has to be.
        usable: Whether the model that it would be configured with can be read.
        activated: How often it was activated.

    """

    def __init__(self, outside: Outside, asker: Asker, models: tuple[str, str]) -> None:
        self.outside, self.asker, self.models = outside, asker, models
        self.state, self.usable, self.activated = 'unconfigured', True, 0

    def step(self, name: str) -> None:
        """Ask for one, and compare."""
        goal = LEGAL.get((self.state, name))
        if name == 'configure' and not self.usable:
            goal = None
        made = self.asker.ask(IDS[name])
        assert made == (goal is not None), f'{name} in {self.state}'
        self.state = goal or self.state
        assert self.asker.state() == self.state
        active = self.state == 'active'
        until(lambda: listens(self.outside) == 2 * active, f'subscriptions when {self.state}')
        if goal == 'active':
            self.activated += 1
            if self.activated % 4 == 1:  # the others are cut short
                self.outside.wait_for_labels('rgbd', 1)

    def change_model(self) -> None:
        """Give it a model that can be read or one that cannot, if the state allows that."""
        usable = not self.usable
        accepted, why = self.outside.set(model=self.models[not usable])
        assert accepted == (self.state == 'unconfigured'), why
        self.usable = usable if accepted else self.usable


@pytest.mark.parametrize('steps', [30, pytest.param(500, marks=LONG)])
def test_walk_through_the_states_is_as_the_state_machine_has_it_and_leaves_no_thread(
    trial: Trial, outside: Outside, asker: Asker, bundle: Path, tmp_path: Path, steps: int
) -> None:
    dice = random.Random(steps)
    camera = Camera(outside.publish, rate=30.0)
    walk = Walk(outside, asker, (str(bundle), str(tmp_path / 'nothing')))
    # Shutting down is for good, see above: here only where it is not possible.
    names = [name for name in IDS if 'shutdown' not in name]
    fault = f'{steps} transitions at random, legal or not, while images come at 30 Hz'
    try:
        for name in ('configure', 'activate', 'deactivate', 'cleanup'):
            walk.step(name)  # all threads that stay have been started once
        before = threads(trial.pid)
        with trial.of('lifecycle', fault, 'state as the state machine has it', camera):
            for _ in range(steps):
                likely = [name for state, name in LEGAL if state == walk.state and name in names]
                if dice.random() < 0.1:
                    walk.change_model()
                else:
                    walk.step(dice.choice(likely if likely and dice.random() < 0.6 else names))
    finally:
        camera.stop()
        outside.bring_to('unconfigured')
        assert outside.set(model=str(bundle))[0]
    assert trial.labels
    until(lambda: threads(trial.pid) <= before, f'{before} threads, as before', SETTLED)


@contextmanager
def hearing_transitions(outside: Outside) -> Iterator[list[tuple[str, str]]]:
    heard: list[tuple[str, str]] = []

    def take(event: TransitionEvent) -> None:
        heard.append((event.start_state.label, event.goal_state.label))

    topic = f'{NODE}/transition_event'
    ear = outside.node.create_subscription(TransitionEvent, topic, take, 1000)
    try:
        until(lambda: outside.node.count_subscribers(topic), 'the subscription')
        time.sleep(0.5)
        yield heard
    finally:
        outside.node.destroy_subscription(ear)


@pytest.mark.parametrize('each', [15, pytest.param(150, marks=LONG)])
def test_two_who_ask_at_the_same_time_are_served_one_after_the_other(
    trial: Trial, outside: Outside, askers: list[Asker], each: int
) -> None:
    made: list[str] = []

    def ask(asker: Asker, seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(each):
            name = dice.choice(['configure', 'activate', 'deactivate', 'cleanup'])
            if asker.ask(IDS[name]):
                made.append(name)

    camera = Camera(outside.publish, rate=30.0)
    fault = f'two clients ask for {each} transitions each, at the same time'
    try:
        with (
            hearing_transitions(outside) as heard,
            trial.of('lifecycle', fault, 'each served whole, one after the other', camera),
        ):
            clients = [
                threading.Thread(target=ask, args=pair, daemon=True)
                for pair in zip(askers, (1, 2), strict=True)
            ]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            until(lambda: len(heard) >= 2 * len(made), 'every transition told')
    finally:
        camera.stop()
    assert len(made) > each / 5
    assert len(heard) == 2 * len(made)  # begun and ended, each
    assert all(one[1] == other[0] for one, other in itertools.pairwise(heard)), heard
    steps = list(zip([start for start, _ in heard[::2]], [end for _, end in heard[1::2]]))  # noqa: B905 - as long
    assert all((start, end) in _steps() for start, end in steps), steps
    assert outside.state() == steps[-1][1]


def _steps() -> set[tuple[str, str]]:
    return {(state, goal) for (state, _), goal in LEGAL.items()}


@pytest.mark.parametrize('cycles', [4, pytest.param(60, marks=LONG)])
def test_label_is_only_made_of_images_that_were_taken_while_the_node_was_active(
    trial: Trial, outside: Outside, asker: Asker, cycles: int
) -> None:
    spans: list[list[int]] = []
    camera = Camera(outside.publish, rate=30.0)

    def within(said: Said) -> str | None:
        stamps = [int(value) for key, value in said.values.items() if key.endswith('_stamp')]
        for begun, ended in spans:
            if begun <= min(stamps) and max(stamps) <= ended:
                return None
        return 'made of an image from when the node was not active'

    trial.checks = [within]
    outside.bring_to('inactive')
    fault = f'deactivated and activated {cycles} times while images come at 30 Hz'
    dice = random.Random(cycles)
    try:
        with trial.of('lifecycle', fault, 'only images of the time in between are used', camera):
            for number in range(cycles):
                spans.append([time.time_ns(), time.time_ns() + 10**12])
                assert asker.ask(IDS['activate'])
                if number % 2 == 0:
                    outside.wait_for_labels('rgbd', 1)
                else:
                    time.sleep(0.2 * dice.random())
                assert asker.ask(IDS['deactivate'])
                spans[-1][1] = time.time_ns()
                time.sleep(0.2 * dice.random())
    finally:
        camera.stop()
    assert trial.labels
