# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says of itself on ``/diagnostics``, as plain data.

One status each for every sensor, the model, the device, the labels' latency and their trust, with
the levels of ``diagnostic_msgs/DiagnosticStatus`` and the names of ``diagnostic_updater``
(``<node>: <subject>``). An error says what to do. What is as it should be is OK, though there be
nothing to tell yet or the node be inactive: one STALE among others makes ``diagnostic_aggregator``
report an error.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from mm_perception.errors import ImageError, StaleError
from mm_perception.health import SensorStatus
from mm_perception.objects.finding import LabelledObject
from mm_perception.observation import UNKNOWN, Modality, Prediction

FASTDDS_HINT = (
    'large images are lost on the way: start the camera and this node with the Fast DDS profile '
    'config/fastdds.xml'
)
_CHECK_CAMERA = 'check the camera and its driver'
_FAR_UNDER = 0.4  # of the other stream's rate; a camera may send depth at half the colour's
_STUCK = 5.0  # seconds in one inference; the slowest robot's takes less than one
TRUST_WINDOW = 10
"""Labels that tell whether the eyes disagree: one frame may be caught in motion."""


class Level(IntEnum):
    """The levels of ``diagnostic_msgs/DiagnosticStatus`` that are used."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True)
class Status:
    """One diagnostic status.

    Attributes:
        subject: What it is about: ``rgb``, ``depth``, ``model``, ``device``, ``latency``,
            ``trust``.
        level: How well it is.
        message: One line for a person; an error's says what to do.
        values: Figures, as text.

    """

    subject: str
    level: Level
    message: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Somebody who publishes a topic that the node listens to.

    Attributes:
        node: The publisher's fully qualified node name.
        type: The type it publishes, ``sensor_msgs/msg/Image``.
        mismatch: Which QoS policy keeps it from us; empty when it is compatible.

    """

    node: str
    type: str
    mismatch: str = ''


@dataclass(frozen=True)
class Inlet:
    """A subscription: what we asked for, and who offers it.

    Attributes:
        topic: The topic's full name.
        type: The type subscribed to, ``sensor_msgs/msg/Image``.
        sources: Everybody who publishes the topic.

    """

    topic: str
    type: str
    sources: Sequence[Source] = ()

    @property
    def heard(self) -> list[Source]:
        """The publishers that can reach us."""
        return [s for s in self.sources if s.type == self.type and not s.mismatch]

    @property
    def unheard(self) -> list[Source]:
        """The publishers that cannot."""
        return [s for s in self.sources if s not in self.heard]


def sensor_status(
    modality: Modality,
    status: SensorStatus,
    inlet: Inlet,
    *,
    other: SensorStatus | None = None,
    trouble: str | None = None,
) -> Status:
    """Describe one sensor.

    Args:
        modality: The sensor.
        status: What its health says.
        inlet: Its subscription.
        other: The other sensor's health, to compare the rates; None when there is no other.
        trouble: Why its last message could not be read, or why its images do not fit the other
            sensor's; None when all is well.

    """
    level, message = Level.OK, status.reason
    if status.level in ('stale', 'error'):
        level, message = _silence(modality, status, inlet, trouble)
    elif trouble is not None:
        level, message = Level.WARN, trouble
    elif other is not None and status.rate < _FAR_UNDER * other.rate:
        level = Level.WARN
        message = f'{status.rate:.1f} Hz where the other sensor has {other.rate:.1f}: '
        message += FASTDDS_HINT
    elif status.level == 'warn':
        level = Level.WARN
    return Status(
        str(modality),
        level,
        message,
        {
            'topic': inlet.topic,
            'publishers': ', '.join(source.node for source in inlet.sources) or 'none',
            'rate_hz': f'{status.rate:.2f}',
            'age_s': 'never' if status.age is None else f'{status.age:.3f}',
            'health': status.reason,
        },
    )


def _silence(
    modality: Modality, status: SensorStatus, inlet: Inlet, trouble: str | None
) -> tuple[Level, str]:
    """Say why nothing usable comes, and what to do about it."""
    if trouble is not None:
        return Level.ERROR, _with_way_out(f'{inlet.topic}: {trouble}', _CHECK_CAMERA)
    if not inlet.heard:
        return Level.ERROR, unheard(modality, inlet)
    who = ', '.join(source.node for source in inlet.heard)
    never = status.level == 'stale'
    silent = never or status.reason.startswith('silent')
    if silent and inlet.unheard:  # one that ended without a word is listed for a while
        return Level.ERROR, f'{unheard(modality, inlet)}; {who} sends nothing'
    if never:
        return Level.WARN, (
            f'{inlet.topic}: no frame has come yet, though {who} publishes it; '
            f'is the camera plugged in? If it sends: {FASTDDS_HINT}'
        )
    if silent:
        return Level.ERROR, (
            f'{inlet.topic}: {status.reason}, though {who} publishes it; '
            'is the camera still plugged in?'
        )
    return Level.ERROR, _with_way_out(f'{inlet.topic}: {status.reason}', _CHECK_CAMERA)


def _with_way_out(message: str, way_out: str) -> str:
    """Say what to do after a cause that does not say so, or ask for it, by itself."""
    return message if '; ' in message or message.endswith('?') else f'{message}; {way_out}'


def unheard(modality: Modality, inlet: Inlet) -> str:
    """Say why no publisher can reach this subscription, and the way out."""
    if not inlet.sources:
        return (
            f'{inlet.topic}: nobody publishes it; start the camera driver, or remap '
            f'{modality}/image to the topic it has'
        )
    source = inlet.unheard[0]
    if source.type != inlet.type:
        return (
            f'{inlet.topic}: {source.node} publishes {source.type}, not {inlet.type}; '
            f'set {modality}_transport, or remap {modality}/image'
        )
    return (
        f'{inlet.topic}: the QoS of {source.node} does not match ({source.mismatch}); '
        'set reliability to best_effort'
    )


def unregistered(reason: str) -> str:
    """Say that depth does not lie on colour, why (see ``misregistration``), and the way out."""
    return f'not registered to colour: {reason}; turn on depth registration in the camera driver'


def never_pairs(apart: float) -> str:
    """Say that both sensors live but their images never come together, and the way out."""
    return (
        f'its stamps lie {apart:.3f} s from those of colour, more than slop: labels come from '
        "colour alone; raise slop, or synchronise the camera's streams"
    )


def unsubscribed_status(modality: Modality, state: str) -> Status:
    """Describe a sensor that the node does not listen to."""
    return Status(str(modality), Level.OK, f'not subscribed: the node is {state}')


def model_status(
    state: str, bundle: str, classes: int, refusal: str | None, fault: Exception | None
) -> Status:
    """Describe the model.

    Args:
        state: The node's lifecycle state.
        bundle: The bundle's folder.
        classes: How many classes it has; 0 when it is not loaded.
        refusal: Why the last transition went wrong.
        fault: Why the last observation got no label.

    """
    values = {'bundle': bundle, 'classes': str(classes), 'lifecycle': state}
    if refusal is not None:
        way_out = f'put that right, then {"activate" if state == "inactive" else "configure"} again'
        return Status('model', Level.ERROR, _with_way_out(refusal, way_out), values)
    if isinstance(fault, (ImageError, StaleError)):  # nothing to see there, or too late
        return Status('model', Level.WARN, f'no label: {fault}', values)
    if fault is not None:
        return Status(
            'model',
            Level.ERROR,
            f'inference failed: {type(fault).__name__}: {fault}; deactivate and activate the node, '
            'or configure it with device cpu',
            values,
        )
    if not classes:
        return Status('model', Level.OK, f'not loaded: the node is {state}', values)
    return Status('model', Level.OK, f'{classes} classes from {bundle}', values)


def device_status(device: str | None, engine: str, fault: str | None) -> Status:
    """Describe where the networks run; a fallback from the GPU is an error with its cause."""
    if device is None:
        return Status('device', Level.OK, 'in use only while the node is active')
    level = Level.OK if fault is None else Level.ERROR
    values = {'device': device, 'engine': engine}
    return Status('device', level, fault or f'running on {device}, {engine}', values)


def latency_status(took: Sequence[tuple[float, float]], busy: float, replaced: int) -> Status:
    """Describe how long labels take.

    Args:
        took: Of recent labels: milliseconds from the arrival of the newest image used to the
            label, and milliseconds of inference.
        busy: Seconds that the inference under way has taken so far.
        replaced: How many observations gave way to a newer one since activation.

    """
    values = {'replaced_observations': str(replaced)}
    latencies = [latency for latency, _ in took]
    if took:
        values |= {
            'latency_p50_ms': f'{statistics.median(latencies):.1f}',
            'latency_max_ms': f'{max(latencies):.1f}',
            'inference_p50_ms': f'{statistics.median(spent for _, spent in took):.1f}',
        }
    if busy > _STUCK:
        return Status(
            'latency',
            Level.ERROR,
            f'one inference has taken {busy:.0f} s so far: the device hangs; restart the node',
            values,
        )
    if not took:
        return Status('latency', Level.OK, 'no label lately', values)
    return Status('latency', Level.OK, f'{statistics.median(latencies):.1f} ms', values)


def objects_status(
    objects: Sequence[LabelledObject] | None, fault: Exception | None = None
) -> Status:
    """Describe the objects of the last observation; None when there is none.

    Args:
        objects: They.
        fault: Why the observation after it got no label.

    """
    if isinstance(fault, ImageError):
        return Status('objects', Level.WARN, f'not known: {fault}')
    if objects is None:
        return Status('objects', Level.OK, 'no picture')
    carried = sum(each.seen.carried for each in objects)
    values = {'objects': str(len(objects)), 'carried': str(carried)}
    if not objects:
        return Status('objects', Level.OK, 'no object in the picture', values)
    found = f'{len(objects)} in the picture'
    if carried:
        return Status('objects', Level.WARN, f'{found}, {carried} by colour alone', values)
    return Status('objects', Level.OK, found, values)


def trust_status(recent: Sequence[Prediction]) -> Status:
    """Describe how far the labels can be trusted.

    Args:
        recent: The last labels, ``TRUST_WINDOW`` at most.

    """
    if not recent:
        return Status('trust', Level.OK, 'no label lately')
    novelty = [p.novelty for p in recent if p.novelty is not None]
    if not novelty:
        return Status('trust', Level.OK, 'the bundle cannot tell what is unknown to it')
    unknown = sum(p.label == UNKNOWN for p in recent)
    values = {'unknown': f'{unknown} of {len(recent)}', 'novelty': f'{_middle(novelty):.2f}'}
    apart = [p.contradiction for p in recent if p.contradiction is not None]
    if apart:
        values['contradiction'] = f'{_middle(apart):.2f}'
    if disagree(recent):
        return Status(
            'trust',
            Level.WARN,
            f'the two sensors disagree, {_middle(apart):.1f} times as far as is usual: do they see '
            'the same thing? check registration and calibration, and that nothing covers one',
            values,
        )
    return Status('trust', Level.OK, f'{values["unknown"]} labels are {UNKNOWN}', values)


def disagree(recent: Sequence[Prediction]) -> bool:
    """Whether the two eyes do in most of the last ``TRUST_WINDOW`` labels, all of both."""
    apart = [p.contradiction for p in recent if p.contradiction is not None]
    return len(apart) == TRUST_WINDOW and _middle(apart) > 1


def _middle(values: Sequence[float]) -> float:
    return statistics.median_low(values)
