# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever is asked of the node's parameters while it labels."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from outside import DEPTH, NODE, Camera, NodeProcess, Outside, until
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)

from mm_perception.interface.parameters import BY_NAME

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from trial import Trial

LONG = pytest.mark.long
HUGE = 2**63 - 1
TEXT = st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\0'), max_size=40)
WHOLE = st.integers(-HUGE - 1, HUGE) | st.integers(-2, 2000)
VALUES = st.one_of(
    st.just(ParameterValue()),  # of no type: to delete it
    st.builds(lambda v: ParameterValue(type=1, bool_value=v), st.booleans()),
    st.builds(lambda v: ParameterValue(type=2, integer_value=v), WHOLE),
    st.builds(lambda v: ParameterValue(type=3, double_value=v), st.floats() | st.floats(-1, 130)),
    st.builds(lambda v: ParameterValue(type=4, string_value=v), TEXT),
    st.builds(
        lambda v: ParameterValue(type=5, byte_array_value=[v]), st.binary(min_size=1, max_size=1)
    ),
    st.builds(
        lambda v: ParameterValue(type=8, double_array_value=v), st.lists(st.floats(), max_size=3)
    ),
    st.builds(lambda v: ParameterValue(type=9, string_array_value=v), st.lists(TEXT, max_size=3)),
    st.builds(lambda v: ParameterValue(type=v), st.integers(10, 255)),  # of no type that there is
)
KINDS = {
    'set_parameters': SetParameters,
    'set_parameters_atomically': SetParametersAtomically,
    'get_parameters': GetParameters,
    'get_parameter_types': GetParameterTypes,
    'describe_parameters': DescribeParameters,
    'list_parameters': ListParameters,
}
NAMES = st.sampled_from(sorted(BY_NAME)) | TEXT
REQUESTS = st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=4)
FIELDS = {bool: (1, 'bool_value'), int: (2, 'integer_value'), float: (3, 'double_value')}
FIELDS[str] = (4, 'string_value')


def number(value: float) -> ParameterValue:
    return ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)


NONSENSE = [
    [('slop', number(math.nan))],
    [('slop', number(math.inf))],
    [('grace', number(-0.02))],
    [('timeout_periods', number(1e308))],
    [('frozen_repeats', ParameterValue(type=2, integer_value=HUGE))],
    [('reject_unknown', ParameterValue(type=4, string_value=''))],
    [('slop', ParameterValue(type=4, string_value='0.05'))],
    [('device', ParameterValue(type=4, string_value=''))],
    [('slopp', number(0.05))],
    [('slop', ParameterValue())],
    [('', number(1.0))],
    [('slop', ParameterValue(type=99))],
    [('slop', number(0.04)), ('grace', number(0.03)), ('min_spread', number(math.nan))],
]


def is_valid(name: str, value: ParameterValue, now: dict[str, Any]) -> bool:
    """Whether doc/node.md's table allows that while the node is active."""
    known = BY_NAME.get(name)
    if known is None:
        return False
    kind, where = FIELDS[type(known.default)]
    given = getattr(value, where)
    if value.type != kind:
        return False
    if not known.live:
        return bool(given == now[name])
    return isinstance(given, bool) or known.minimum <= given <= known.maximum


class Asker:
    """Asks the node about its parameters, and to change them, in raw messages."""

    def __init__(self, node: Any, process: Any) -> None:
        self.process = process
        self.clients = {
            name: node.create_client(kind, f'{NODE}/{name}') for name, kind in KINDS.items()
        }
        for name in self.clients:
            # The first answers may be lost: DDS matches the two directions one after the other.
            until(lambda: self.call(name, patience=2.0), f'an answer of {name}')  # noqa: B023 - waited for here

    def call(self, name: str, patience: float = 60.0, **fields: Any) -> Any:
        """Return the answer; None when there is none."""
        client = self.clients[name]
        until(lambda: client.service_is_ready() or self.process.poll() is not None, name)
        future = client.call_async(KINDS[name].Request(**fields))
        end = time.monotonic() + patience
        while not future.done() and time.monotonic() < end:
            assert self.process.poll() is None, 'the node has ended'
            time.sleep(0.001)
        return future.result() if future.done() else None

    def values(self) -> dict[str, Any]:
        """What all parameters are now."""
        answer = self.call('get_parameters', names=list(BY_NAME))
        return {
            name: getattr(value, FIELDS[type(known.default)][1])
            for (name, known), value in zip(BY_NAME.items(), answer.values, strict=True)
        }

    def set(self, request: Sequence[tuple[str, ParameterValue]]) -> tuple[bool, str]:
        """Set some, all or none."""
        wanted = [Parameter(name=name, value=value) for name, value in request]
        answer = self.call('set_parameters_atomically', parameters=wanted)
        assert answer is not None, f'no answer to {request}'
        return answer.result.successful, answer.result.reason

    def reset(self) -> None:
        """Set all that can be set while the node is active as it was at first."""
        request = []
        for name, known in BY_NAME.items():
            if known.live:
                kind, where = FIELDS[type(known.default)]
                request.append((name, ParameterValue(type=kind, **{where: known.default})))
        assert self.set(request)[0]


@pytest.fixture(scope='module')
def asking(everything_outside: Outside, perception: NodeProcess) -> Asker:
    return Asker(everything_outside.node, perception.process)


@pytest.fixture
def asker(asking: Asker) -> Iterator[Asker]:
    yield asking
    asking.reset()


@pytest.fixture
def fast(camera: Camera) -> Camera:
    camera.rate = 30.0
    return camera


def check(asker: Asker, request: Sequence[tuple[str, ParameterValue]]) -> None:
    """Ask, and compare with what is allowed."""
    before = asker.values()
    allowed = all(is_valid(name, value, before) for name, value in request)
    taken, reason = asker.set(request)
    after = asker.values()
    assert taken == allowed, (request, reason)
    if not taken:
        assert reason
        assert after == before, request
        return
    for name, value in dict(request).items():
        assert after[name] == getattr(value, FIELDS[type(BY_NAME[name].default)][1])
    asker.reset()


@pytest.mark.parametrize('count', [40, pytest.param(3000, marks=LONG)])
def test_parameters_that_make_no_sense_are_refused_with_the_reason_and_change_nothing(
    trial: Trial, asker: Asker, fast: Camera, outside: Outside, perception: NodeProcess, count: int
) -> None:
    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(REQUESTS)
    def ask(request: Sequence[tuple[str, ParameterValue]]) -> None:
        check(asker, request)

    for request in NONSENSE:
        ask = example(request)(ask)
    fault = f'{count} atomic requests of nonsense and sense'
    with trial.of('parameters', fault, 'refused with the reason, all or none', fast):
        ask()
        outside.wait_for_labels('rgbd', 3)
    assert perception.process.poll() is None


def test_questions_about_parameters_that_do_not_exist_do_not_end_the_node(
    trial: Trial, asker: Asker, fast: Camera, outside: Outside
) -> None:
    strange = ['', 'slopp', '/', 'a' * 10_000, '\n', 'slop']
    fault = 'questions about parameters that there are not, one by one and together'
    with trial.of('parameters', fault, 'answered; labels go on', fast):
        for names in (*([name] for name in strange), strange):
            for service in ('get_parameters', 'get_parameter_types', 'describe_parameters'):
                assert asker.call(service, names=names) is not None
            wanted = [Parameter(name=name, value=ParameterValue(type=77)) for name in names]
            assert asker.call('set_parameters', parameters=wanted) is not None
        for depth in (0, 1, 2**64 - 1):
            assert asker.call('list_parameters', prefixes=strange, depth=depth) is not None
        outside.wait_for_labels('rgbd', 3)


@contextmanager
def busy(asker: Asker) -> Iterator[None]:
    """Ask for changes that change nothing, as fast as they are answered."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            assert asker.set([('min_spread', number(1.5))])[0]

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_change_takes_effect_at_once_while_images_and_requests_pour_in(
    trial: Trial, outside: Outside, asker: Asker, fast: Camera
) -> None:

    fault = 'max_invalid changed at 30 Hz, under a torrent of requests'
    with busy(asker), trial.of('parameters', fault, 'depth is done without, and back', fast):
        fast.change(DEPTH, _with_holes)
        outside.wait_for_labels('rgbd', 3)
        assert outside.set(max_invalid=0.1)[0]
        outside.wait_for_mode('rgb')
        outside.wait_for_labels('rgb', 3)
        assert outside.set(max_invalid=0.9)[0]
        outside.wait_for_labels('rgbd', 3)


def _with_holes(image: NDArray[Any]) -> NDArray[Any]:
    holed = image.copy()
    holed[::3] = 0
    return holed
