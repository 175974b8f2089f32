# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A GPU that is full or lost, played on machines that have none.

The errors are those that torch raises. They are raised in torch's place by the real networks of a
node in this process, as often as a real GPU would: once when it is full, always when it is lost.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rclpy
import torch
from ledger import Ledger, Row
from outside import Hands, Outside, Said, until
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn as Return
from rclpy.signals import SignalHandlerOptions
from street import Street
from test_models import CLASSES, OTHERS, classes_of, only, remake

from mm_perception.node import PerceptionNode
from mm_perception.observation import Modality

LONG = pytest.mark.long
NAME = '/within/mm_perception'
FULL = torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...')
GONE = 'CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later'
LOST = [
    pytest.param(getattr(torch, 'AcceleratorError', RuntimeError)(GONE), id='CUDA error'),
    pytest.param(
        RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED'), id='cuDNN error', marks=LONG
    ),
]


@dataclass
class Within:
    """A node in this process, whose networks can be broken, and what is around it."""

    node: PerceptionNode
    hands: Hands
    street: Street
    outside: Outside

    @property
    def said(self) -> list[Said]:
        said: list[Said] = self.street.said
        return said

    def label(self, mode: str = 'rgbd') -> None:
        """Wait for labels from now on."""
        known = len(self.said)
        until(lambda: mode in {s.mode for s in self.said[known:]}, f'labels of {mode}')

    def status(self, subject: str, level: bytes, words: str) -> str:
        """Wait until diagnostics say so; return the whole message."""
        status = self.outside.report(
            f'{NAME}: {subject}', lambda s: s.level == level and words in s.message, words
        )
        return str(status.message)

    def fill(self) -> None:
        """Have the next inference find no memory."""
        left = [FULL]

        def full(*_: object) -> None:
            if left:
                raise left.pop()

        for network in self._networks():
            network.register_forward_pre_hook(full)

    def lose(self, error: Exception) -> None:
        """Have nothing work any more that needs what lies on the GPU."""

        def gone(*_: object, **__: object) -> None:
            raise error

        for network in (*self._networks(), self._classifier().bundle.head):
            network.register_forward_pre_hook(gone)
            network.to = gone

    def _classifier(self) -> Any:
        return self.node._configured().classifier

    def _networks(self) -> list[Any]:
        return list({id(n): n for n in self._classifier().pipeline.backbones.values()}.values())


@pytest.fixture
def own(tmp_path: Path, bundle: Path) -> Path:
    """Make a bundle that may be replaced."""
    return Path(shutil.copytree(bundle, tmp_path / 'own'))


@pytest.fixture
def within(outside: Outside, own: Path) -> Iterator[Within]:
    # Networks that can be broken from here; another engine has its own.
    plain = ['-p', 'engine:=torch', '-p', 'precision:=float32']
    arguments = ['--ros-args', '-r', '__ns:=/within', '-p', f'model:={own}', *plain]
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    node, executor, over = PerceptionNode(), SingleThreadedExecutor(), threading.Event()
    executor.add_node(node)
    hands = Hands(outside.node, NAME)
    assert node.trigger_configure() == node.trigger_activate() == Return.SUCCESS

    def spin() -> None:
        while not over.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        with Street(outside, '/within') as street:
            made = Within(node, hands, street, outside)
            made.label()
            yield made
    finally:
        over.set()
        thread.join()
        node.close()
        executor.shutdown()
        rclpy.shutdown()


def tell(ledger: Ledger, within: Within, fault: str, promise: str) -> None:
    ledger.add(Row('device', fault, promise, len(within.said)))


def test_full_gpu_is_left_for_the_cpu_and_diagnostics_say_how_to_come_back(
    within: Within, ledger: Ledger
) -> None:
    within.fill()
    said = within.status('device', b'\2', 'out of GPU memory')
    within.label()
    tell(ledger, within, 'out of GPU memory while labelling', 'goes on on the CPU, and says so')
    assert 'running on the CPU' in said
    assert said.endswith('; free the GPU, then deactivate and activate')
    assert within.hands.transit('deactivate')
    assert within.hands.transit('activate')
    within.status('device', b'\0', 'running on')
    within.label()


@pytest.mark.parametrize('error', LOST)
def test_lost_gpu_is_left_for_the_cpu_and_for_good(
    within: Within, ledger: Ledger, error: RuntimeError
) -> None:
    within.lose(error)
    said = within.status('device', b'\2', 'the GPU is lost')
    within.label()
    assert within.hands.transit('deactivate')
    assert within.hands.transit('activate')
    within.label()
    tell(ledger, within, f'GPU lost while labelling: {error}'[:60], 'goes on on the CPU')
    assert str(error).partition('\n')[0] in said
    assert said.endswith('; check the GPU, restart the node')
    assert within.status('device', b'\2', 'the GPU is lost') == said


@pytest.mark.parametrize('asked', ['deactivate', pytest.param('shutdown', marks=LONG)])
def test_gpu_that_is_lost_while_nothing_is_labelled_keeps_no_transition_from_being_made(
    within: Within, ledger: Ledger, asked: str
) -> None:
    within.street.camera.only()
    time.sleep(0.5)
    within.lose(LOST[0].values[0])
    name = 'active_shutdown' if asked == 'shutdown' else asked
    assert within.hands.transit(name)
    if asked == 'deactivate':
        assert within.hands.transit('activate')
        within.street.camera.only(*Modality)
        within.label()
    tell(ledger, within, f'GPU lost before {asked}', 'transitions work')


@LONG
def test_lost_gpu_whose_bundle_was_replaced_gives_no_label_until_configured_anew(
    within: Within, ledger: Ledger, own: Path
) -> None:
    remake(own, OTHERS, 1)
    within.lose(LOST[0].values[0])
    said = within.status('model', b'\2', 'another bundle by now')
    known = len(within.said)
    time.sleep(1.0)
    quiet = len(within.said) == known
    assert within.hands.transit('deactivate')
    refused = not within.hands.transit('activate')
    assert within.hands.transit('cleanup')
    assert all(only(*CLASSES)(one) is None for one in within.said)
    known = len(within.said)
    within.hands.bring_to('active')
    within.label()
    promise = 'no label, and a reason, until it is configured anew'
    tell(ledger, within, 'GPU lost, and the bundle replaced on disk', promise)
    assert quiet
    assert refused
    assert 'clean up and configure' in said
    assert {classes_of(one) for one in within.said[known:]} == {tuple(sorted(OTHERS))}
