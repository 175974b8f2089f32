# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One node process for all tests that need not start their own, and the world around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS is not installed')

from bundles import make_bundle
from outside import Camera, NodeProcess, Outside, in_environment
from shared_memory import free_abandoned

in_environment()


def pytest_sessionfinish() -> None:
    """Leave no memory behind of the processes that were killed."""
    free_abandoned()


@pytest.fixture(scope='session')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp('bundle') / 'model')


@pytest.fixture(scope='session')
def perception(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[NodeProcess]:
    node = NodeProcess(tmp_path_factory.mktemp('node') / 'log', '-p', f'model:={bundle}')
    yield node
    node.kill()


@pytest.fixture(scope='session')
def everything_outside() -> Iterator[Outside]:
    outside = Outside()
    yield outside
    outside.close()


@pytest.fixture
def outside(everything_outside: Outside, perception: NodeProcess) -> Iterator[Outside]:
    """The world, before a node that is unconfigured; the node must outlive every test."""
    everything_outside.bring_to('unconfigured')
    yield everything_outside
    assert perception.process.poll() is None, perception.text()


@pytest.fixture
def camera(outside: Outside) -> Iterator[Camera]:
    """A camera that both sensors of work, and a node that labels what it sends."""
    outside.bring_to('active')
    camera = Camera(outside.publish)
    outside.wait_for_labels('rgbd', 3)
    yield camera
    camera.stop()
