# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The real node's lifecycle: every transition, the wrong ones, and the end of the process."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from bundles import CLASSES
from outside import PATIENCE, Camera, Hands, Jitter, NodeProcess, Outside, until
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn as Return
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool

from mm_perception.interface.annotation import annotate
from mm_perception.interface.process import run
from mm_perception.node import PerceptionNode
from mm_perception.observation import Frame, Modality, Observation, Prediction
from mm_perception.serving.labelled import Labelled

EXIT = 2.0  # seconds that a signal may take to end the process


def listens(outside: Outside) -> int:
    """Count the node's image subscriptions."""
    return sum(
        outside.node.count_subscribers(topic)
        for topic in ('/robot/rgb/image', '/robot/depth/image')
    )


def test_each_state_has_its_subscriptions_and_labels_only_when_active(outside: Outside) -> None:
    camera = Camera(outside.publish)
    try:
        assert (outside.state(), listens(outside)) == ('unconfigured', 0)
        assert outside.transit('configure')
        assert (outside.state(), listens(outside)) == ('inactive', 0)
        before = len(outside.modes)
        assert outside.transit('activate')
        outside.wait_for_labels('rgbd')
        assert (outside.state(), listens(outside)) == ('active', 2)
        assert outside.transit('deactivate')
        outside.wait_for_mode('none')
        until(lambda: not listens(outside), 'the subscriptions to be dropped')
        quiet = len(outside.labels)
        assert outside.transit('activate')
        outside.wait_for_labels('rgbd')
        assert len(outside.labels) > quiet
        said = [mode for _, mode in outside.modes[before:]]
        assert all(a != b for a, b in pairwise(said)), said  # only changes
        assert outside.transit('deactivate')
        assert outside.transit('cleanup')
        assert outside.state() == 'unconfigured'
    finally:
        camera.stop()


def test_an_illegal_transition_is_answered_with_no_and_changes_nothing(outside: Outside) -> None:
    for name in ('activate', 'deactivate', 'cleanup', 'active_shutdown'):
        assert not outside.transit(name)
        assert outside.state() == 'unconfigured'
    outside.bring_to('active')
    for name in ('configure', 'activate', 'cleanup'):
        assert not outside.transit(name)
        assert outside.state() == 'active'


def test_a_bundle_that_cannot_be_used_is_refused_in_one_line_and_a_good_one_taken(
    outside: Outside, perception: NodeProcess, bundle: Path, tmp_path: Path
) -> None:
    flipped = tmp_path / 'flipped'
    shutil.copytree(bundle, flipped)
    weights = flipped / 'weights.safetensors'
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    refusals = {
        '': 'parameter model: is empty',
        str(tmp_path / 'nothing'): 'nothing: no such bundle folder',
        str(flipped): 'weights.safetensors: its SHA-256 is not the one in manifest.yaml',
    }
    for model, why in refusals.items():
        before = perception.text()
        assert outside.set(model=model)[0]
        assert not outside.transit('configure')
        assert outside.state() == 'unconfigured'
        new = [line for line in perception.text()[len(before) :].splitlines() if line]
        (line,) = new
        assert line.startswith('[ERROR]')
        assert why in line
        status = outside.report('model', lambda s: s.level == b'\2', 'ERROR')
        assert why in status.message
    assert outside.set(model=str(bundle))[0]
    assert outside.transit('configure')
    outside.report('model', lambda s: s.level == b'\0', 'OK')


@pytest.fixture
def own() -> Iterator[list[NodeProcess]]:
    """Make room for a node of the test's own, beside the one that all share."""
    nodes: list[NodeProcess] = []
    yield nodes
    for node in nodes:
        if node.process.poll() is None:
            node.kill()


def start(own: list[NodeProcess], tmp_path: Path, *arguments: str) -> NodeProcess:
    name = f'alone{len(own)}'
    node = NodeProcess(tmp_path / name, *arguments, namespace=f'/{name}')
    own.append(node)
    return node


@pytest.mark.parametrize(
    ('model', 'when'),
    [
        (True, 'active on'),
        (True, '3 classes from'),  # configured; the model is being loaded
        (False, 'configure refused: parameter model: is empty'),  # unconfigured
    ],
    ids=['active', 'activating', 'unconfigured'],
)
def test_a_signal_ends_the_process_cleanly_within_two_seconds(
    own: list[NodeProcess], tmp_path: Path, bundle: Path, model: bool, when: str
) -> None:
    arguments = ['-p', 'autostart:=true', *(['-p', f'model:={bundle}'] if model else [])]
    numbers = (signal.SIGINT, signal.SIGTERM)
    nodes = [start(own, tmp_path, *arguments) for _ in numbers]  # both at once, to save time
    for node, number in zip(nodes, numbers, strict=True):
        node.says(when)
        jitter = Jitter()
        code, took = node.end(number)
        waited = jitter.stop()
        assert code == 0, node.text()
        assert 'Traceback' not in node.text(), node.text()
        assert took < EXIT + waited, node.text()


def test_an_inactive_node_can_be_shut_down_and_its_process_ended(
    outside: Outside, own: list[NodeProcess], tmp_path: Path, bundle: Path
) -> None:
    node = start(own, tmp_path, '-p', f'model:={bundle}')
    hands = Hands(outside.node, '/alone0/mm_perception')
    assert hands.transit('configure')
    assert hands.state() == 'inactive'
    assert hands.transit('inactive_shutdown')
    assert hands.state() == 'finalized'
    told = outside.report(
        '/alone0/mm_perception: model', lambda s: 'finalized' in s.message, 'finalized'
    )
    assert ('lifecycle', 'finalized') in [(pair.key, pair.value) for pair in told.values]
    code, took = node.end(signal.SIGTERM)
    assert code == 0, node.text()
    assert took < EXIT


def test_a_wrong_parameter_is_refused_at_start_in_one_line_with_exit_code_2(
    own: list[NodeProcess], tmp_path: Path
) -> None:
    node = start(own, tmp_path, '-p', 'slop:=5.0')
    assert node.process.wait(PATIENCE) == 2
    said = [line for line in node.text().splitlines() if 'rmw_' not in line]
    assert said == ['mm_perception: parameter slop: 5.0 is refused; use a number from 0 to 1']


@contextmanager
def signals_restored() -> Iterator[None]:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def raise_as_rclpy_does(*_: object, **__: object) -> None:
    # What take_message makes of a signal that comes while it converts a message.
    raise RuntimeError('Unable to convert call argument to Python object')


def test_an_exception_is_no_trouble_once_the_context_is_gone_but_is_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def end(*_: object, **__: object) -> None:
        rclpy.shutdown()
        raise_as_rclpy_does()

    def interrupt(*_: object, **__: object) -> None:
        handler = signal.getsignal(signal.SIGINT)
        assert callable(handler)
        handler(signal.SIGINT, None)  # rclpy's own part would end the world outside, too
        raise_as_rclpy_does()

    class Executor(SingleThreadedExecutor):  # not that of the world outside
        pass

    monkeypatch.setattr('mm_perception.interface.process.SingleThreadedExecutor', Executor)
    with signals_restored():
        for ending in (end, interrupt):
            monkeypatch.setattr(Executor, 'spin_once', ending)
            assert run(PerceptionNode, []) == 0
        monkeypatch.setattr(Executor, 'spin_once', raise_as_rclpy_does)
        with pytest.raises(RuntimeError, match='Unable to convert'):
            run(PerceptionNode, [])


def test_a_label_that_is_too_late_for_the_context_is_dropped_in_silence(
    bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ['--ros-args', '-r', '__ns:=/inside', '-p', f'model:={bundle}']
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    node = PerceptionNode()
    assert node.trigger_configure() == node.trigger_activate() == Return.SUCCESS
    camera = Camera(node._on_image)
    try:
        until(lambda: node._watch and node._watch._took, 'a label')
        capfd.readouterr()
        rclpy.shutdown()
        known = len(node._watch._took)
        until(lambda: len(node._watch._took) > known + 1, 'labels after the end')
    finally:
        camera.stop()
        node.close()
    assert 'no label' not in capfd.readouterr().err


def test_a_file_of_parameters_that_is_not_there_is_named_in_one_line_with_exit_code_2(
    capfd: pytest.CaptureFixture[str],
) -> None:
    # In this process: nothing is started, and importing torch once more takes seconds.
    with signals_restored():
        assert run(PerceptionNode, ['--ros-args', '--params-file', '/nowhere.yaml']) == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if '[rcl]' not in line]
    assert line.startswith('mm_perception: ')
    assert '/nowhere.yaml' in line


def test_parameters_come_from_a_file_whatever_the_namespace_and_misspelt_ones_are_named(
    outside: Outside, own: list[NodeProcess], tmp_path: Path, bundle: Path
) -> None:
    file = tmp_path / 'parameters.yaml'
    file.write_text(
        f'/**:\n  ros__parameters: {{model: {bundle}, autostart: true, slop: 1, slopp: 1}}\n'
    )
    node = start(own, tmp_path, '--params-file', str(file))
    node.says('active on')
    (warning,) = node.lines('WARN')
    assert 'parameter slopp: there is no such parameter; did you mean slop?' in warning
    for topic in ('/alone0/object_label', '/alone0/mm_perception/modality'):
        until(lambda: outside.node.count_publishers(topic), topic)  # noqa: B023 - waited for here


def test_a_parameter_is_changed_live_or_refused_with_the_reason(
    outside: Outside, bundle: Path
) -> None:
    outside.bring_to('active')
    answers = {
        'device': outside.set(device='cpu'),
        'model': outside.set(model='/elsewhere'),
        'slop': outside.set(slop=5.0),
        'transport': outside.set(rgb_transport='raw'),  # as it is
        'several': outside.set(slop=0.06, model='/elsewhere'),
    }
    late = 'the node is active; set it before configure'
    assert answers['device'] == (False, f'parameter device: {late}')
    assert answers['model'] == (False, f'parameter model: {late}')
    assert not answers['slop'][0]
    assert 'slop' in answers['slop'][1]
    assert answers['transport'][0]
    assert answers['several'] == (False, f'parameter model: {late}')
    assert outside.set(model=str(bundle))[0]  # as it is


def test_a_slop_that_is_changed_live_takes_effect(camera: Camera, outside: Outside) -> None:
    try:
        camera.stamps = {Modality.DEPTH: lambda at: at - 30_000_000}
        outside.wait_for_labels('rgbd')
        assert outside.set(slop=0.001)[0]
        outside.wait_for_mode('rgb')  # they never pair: colour alone
        status = outside.report('depth', lambda s: s.level == b'\1', 'WARN')
        assert 'raise slop' in status.message
    finally:
        assert outside.set(slop=0.05)[0]
    outside.wait_for_labels('rgbd')


@contextmanager
def node_inside(model: Path | str, *others: str) -> Iterator[PerceptionNode]:
    """Make a node in this process, for what is not to be seen or done from outside."""
    arguments = ['--ros-args', '-r', '__ns:=/inside', '-p', f'model:={model}', *others]
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    node = PerceptionNode()
    try:
        yield node
    finally:
        node.close()
        rclpy.shutdown()


@pytest.fixture
def inside(bundle: Path) -> Iterator[PerceptionNode]:
    with node_inside(bundle) as node:
        yield node


def test_topics_are_remapped_once(bundle: Path) -> None:
    swapped = ('-r', 'rgb/image:=/depth', '-r', '/depth:=/other', '-r', 'depth/image:=/rgb')
    with node_inside(bundle, *swapped) as node:
        assert node.trigger_configure() == node.trigger_activate() == Return.SUCCESS
        topics = {m: node._images[m].topic_name for m in Modality}
        assert topics == {Modality.RGB: '/depth', Modality.DEPTH: '/rgb'}


def test_a_refused_configure_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / 'unsure'
    with node_inside('~/no_bundle', '-p', f'uncertain_folder:={folder}') as node:
        assert node.trigger_configure() == Return.FAILURE
        assert f'{Path.home()}/no_bundle: no such bundle folder' in (node.refusal or '')
        assert not folder.exists()
        assert not node._keeper.statuses()
        assert not node._keeper.answer(SetBool.Request(data=True), SetBool.Response()).success


def test_a_configure_that_is_refused_for_its_folder_gives_the_model_back(bundle: Path) -> None:
    with node_inside(bundle, '-p', 'uncertain_folder:=/proc/unsure') as node:
        assert node.trigger_configure() == Return.FAILURE
        assert 'uncertain_folder' in (node.refusal or '')
        assert not node._pool._shared


@pytest.mark.parametrize('name', ['configure', 'activate', 'deactivate', 'cleanup', 'shutdown'])
def test_a_transition_that_fails_is_logged_under_its_own_name(
    inside: PerceptionNode, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError('out of luck')

    to_come = ['configure', 'activate', 'deactivate', 'cleanup']
    before = to_come[: to_come.index(name)] if name in to_come else to_come[:2]
    for one in before:
        assert getattr(inside, f'trigger_{one}')() == Return.SUCCESS
    told: list[str] = []
    with monkeypatch.context() as broken:
        broken.setattr('mm_perception.serving.pool.Classifier', fail)
        broken.setattr(inside, '_configured', fail)
        broken.setattr(inside, '_forget', fail)
        broken.setattr(inside, 'refuse', told.append)
        assert getattr(inside, f'trigger_{name}')() == Return.ERROR
    why = 'failed: RuntimeError: out of luck'
    assert told == [f'{name} {why}', f'error {why}']  # rclpy has error processing follow
    assert inside.state == 'finalized'  # which failed, too


def test_a_broken_sensor_does_not_silence_the_other(
    inside: PerceptionNode, capfd: pytest.CaptureFixture[str]
) -> None:
    assert inside.trigger_configure() == inside.trigger_activate() == Return.SUCCESS
    empty = Image(width=2, height=2, step=2, encoding='8UC1')
    for _ in range(3):
        for modality in Modality:
            inside._on_image(modality, empty)
    warnings = [line for line in capfd.readouterr().err.splitlines() if '[WARN]' in line]
    assert len(warnings) == 2  # of six: once each within the throttle's time
    assert all(f'mm_perception.{m}]' in line for m, line in zip(Modality, warnings, strict=True))


def test_a_hung_inference_is_left_alone_and_nothing_is_activated_beside_it(
    inside: PerceptionNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('mm_perception.node._PATIENCE', 0.1)
    monkeypatch.setattr('mm_perception.tracing._PATIENCE', 0.1)
    assert inside.trigger_configure() == inside.trigger_activate() == Return.SUCCESS
    hung = inside._configured().classifier
    begun, free, closed = threading.Event(), threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        begun.set()
        assert free.wait(PATIENCE)

    monkeypatch.setattr(hung, '_judge', hang)  # no device can be made to hang at will
    monkeypatch.setattr(hung, 'close', closed.set)
    camera = Camera(inside._on_image)
    try:
        assert begun.wait(PATIENCE)
    finally:
        camera.stop()
    assert inside.trigger_deactivate() == Return.ERROR
    assert inside.state == 'unconfigured'
    assert inside.trigger_configure() == Return.SUCCESS
    assert inside.trigger_activate() == Return.FAILURE
    assert 'activate refused: the inference under way does not end' in (inside.refusal or '')
    assert inside.state == 'inactive'
    assert not closed.is_set()
    free.set()
    until(lambda: inside.trigger_activate() == Return.SUCCESS, 'the end of the inference')


def test_annotated_is_drawn_only_while_somebody_looks(
    outside: Outside, inside: PerceptionNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[object] = []

    def draw(*arguments: Any) -> Any:
        drawn.append(arguments)
        return annotate(*arguments)

    monkeypatch.setattr('mm_perception.node.annotate', draw)
    frame = Frame(Modality.RGB, 1, 'eye', np.full((48, 64, 3), 90, np.uint8))
    said = Prediction(1, 'rgb', CLASSES[0], dict(zip(CLASSES, (0.5, 0.3, 0.2), strict=True)))
    labelled = Labelled(Observation.of(frame), said, 1.0, 1.0)
    assert inside.trigger_configure() == inside.trigger_activate() == Return.SUCCESS
    inside._publish(labelled)
    assert not drawn
    pictures: list[Image] = []
    topic = '/inside/mm_perception/annotated'
    view = outside.node.create_subscription(Image, topic, pictures.append, 1)
    until(lambda: inside.count_subscribers(topic), 'the subscription')
    until(lambda: inside._publish(labelled) or pictures, 'a picture')
    assert drawn
    outside.node.destroy_subscription(view)
