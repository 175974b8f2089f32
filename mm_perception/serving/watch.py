# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From image message to label, for as long as the node is active.

All that happens between the node's subscriptions and its publishers, with the clock passed in:
decode, judge, pair, and label the newest observation on a worker's thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from mm_perception.depth.registration import Intrinsics, View, misregistration
from mm_perception.errors import ImageError, StaleError
from mm_perception.health import NS, HealthSettings, SensorHealth, SensorStatus
from mm_perception.images import frame_from_message, stamp_of
from mm_perception.interface import diagnostics
from mm_perception.interface.diagnostics import Inlet, Status
from mm_perception.objects.detections import DetectionFinder
from mm_perception.objects.finding import LabelledObject, ObjectFinder
from mm_perception.observation import NO_MODE, Frame, Modality, Observation, Prediction
from mm_perception.pairing import Pairing, PairingSettings
from mm_perception.serving.labelled import Labelled, Received
from mm_perception.serving.request import Answer, ClassifierSettings, Request, Trusted
from mm_perception.serving.worker import NewestWorker, PromptWorker, Worker

if TYPE_CHECKING:
    from mm_perception.classifier import Classifier

_RECENT, _LATELY = 100, 10.0  # labels, and their age in seconds, that diagnostics are of

_Found = tuple[Prediction | None, tuple[LabelledObject, ...] | None]


class _Said(NamedTuple):
    """A label that diagnostics are of, with when it was said in seconds of the monotonic clock."""

    prediction: Prediction
    latency: float
    inference: float
    at: float


class _Arrival(NamedTuple):
    """A frame's message, with when it came in seconds of the monotonic clock."""

    received: Received
    at: float


@dataclass(frozen=True)
class _Job:
    """An observation on its way to the worker.

    Attributes:
        observation: What to label.
        arrived: When its newest frame did, in seconds of the monotonic clock.
        timeouts: After how many ns a frame of each sensor alone is stale.
        received: What its frames were made of.

    """

    observation: Observation
    arrived: float
    timeouts: Mapping[Modality, int]
    received: Mapping[Modality, Received]

    def fresh(self, now: int, trusted: Trusted) -> Observation | None:
        """What is left to be labelled: nothing of a sensor that is lost, and nothing stale.

        What waited until one of its frames was stale is stale as a whole: the other alone would
        be no newer, and show less.
        """
        left = [frame for m, frame in self.observation.frames.items() if trusted(m)]
        return (
            Observation.of(*left) if left and self.age(now, left) <= self.patience(left) else None
        )

    def patience(self, frames: Iterable[Frame]) -> int:
        """Give the ns after which some of its frames are stale: those of the slowest sensor."""
        return max(self.timeouts[frame.modality] for frame in frames)

    def age(self, now: int, frames: Iterable[Frame]) -> int:
        """Give the time since the first of some of its frames came, in ns."""
        return now - min(self.received[frame.modality].time for frame in frames)


class Watch:
    """Watches the camera's streams and labels what they show.

    ``see`` and ``poll`` are for one thread; ``said`` and ``failed`` are called on the worker's.

    Attributes:
        fault: Why the last observation got no label; None when it got one.

    """

    def __init__(
        self,
        classifier: Classifier,
        health: HealthSettings,
        pairing: PairingSettings,
        labelling: ClassifierSettings | None = None,
        finder: ObjectFinder | DetectionFinder | None = None,
        worker: Worker[Request, Answer] | None = None,
        *,
        clock: Callable[[], int],
        said: Callable[[Labelled], None],
        failed: Callable[[Exception], None],
        live: bool = True,
    ) -> None:
        """Begin to watch, without any memory of the sensors.

        Args:
            classifier: Warmed up; it stays the caller's.
            health: When a sensor is unusable.
            pairing: Which images belong together.
            labelling: What is made of the classifier's answers; None: the usual.
            finder: Finds the objects to be labelled; None: there is one, where the bundle says.
            worker: Has the classifier answer, for other watches, too; None: one of its own.
            clock: The time in ns, which may stand still or be set back.
            said: Takes every label, at once.
            failed: Told why an observation got no label.
            live: Whether the images come from the camera itself. Of a recording every observation
                is labelled at once, on the thread that ``see`` and ``poll`` are called on, and
                images may have been received in any pace.

        """
        self._cameras: dict[Modality, Intrinsics] = {}
        self._infos: dict[Modality, Any] = {}  # the messages that these are of
        self.fault: Exception | None = None
        self._clock, self._said, self._failed = clock, said, failed
        self._finder = finder  # the worker's alone
        self._objects: tuple[LabelledObject, ...] | None = None  # of the last observation
        self._sensors = {m: SensorHealth(m, health, live=live) for m in classifier.modalities}
        self._well = list(self._sensors.values())  # as ``poll`` found them
        self._pairing = Pairing(pairing, self._sensors)
        self._arrivals: WeakKeyDictionary[Frame, _Arrival] = WeakKeyDictionary()
        self._newest: dict[Modality, Frame] = {}
        self._unreadable: dict[Modality, str] = {}
        self._begun = False
        self._deadlines: dict[Modality, int] = {}  # when a sensor is lost; the worker reads them
        self._took: deque[_Said] = deque(maxlen=_RECENT)
        self._labelling = labelling or ClassifierSettings()
        self._live = live
        if worker is None:
            worker = worker_for(classifier) if live else PromptWorker(classifier.answer)
        self._seat = worker.seat(self._on_fault)

    def see(self, modality: Modality, message: Any) -> None:
        """Take an image message that has just arrived.

        Raises:
            ImageError: It cannot be read, or a bug keeps it from being judged. It is as if it had
                not come, and diagnostics say why.

        """
        now, arrived = self._clock(), time.monotonic()
        if now == 0:
            return  # a simulated time that has not begun: nothing can be dated yet
        try:
            frame = frame_from_message(message, modality, None if stamp_of(message) else now)
            if (camera := self._cameras.get(modality)) is not None:
                frame = replace(frame, camera=camera)
            received = Received(now, message, self._infos.get(modality))
            self._arrivals[frame] = _Arrival(received, arrived)
            self._newest[modality] = frame
            self._submit(self._pairing.add(frame, now), now)
        except ImageError as error:
            self._unreadable[modality] = str(error)
            raise
        except Exception as error:  # one bad image must not end the process
            why = f'{modality} image: {type(error).__name__}: {error}'
            self._unreadable[modality] = why
            raise ImageError(why) from error
        self._unreadable.pop(modality, None)

    def poll(self) -> str:
        """Let a single go whose partner does not come; call this when ``rest`` is over.

        Returns:
            The mode of the labels that are made now: ``rgbd``, ``rgb``, ``depth`` or ``none``. It
            is ``none`` until the first observation: a sensor that is waited for is not lost yet.

        """
        now = self._clock()
        self._submit(self._pairing.poll(now), now)
        self._well = [sensor for sensor in self._sensors.values() if not sensor.is_lost(now)]
        return self._pairing.mode(now) if self._begun else NO_MODE

    def rest(self) -> float | None:
        """Seconds until a sensor is lost, if no image comes; None when ``poll`` found all lost.

        It is 0 when one has been lost since ``poll``: nobody has been told of that yet.
        """
        now = self._clock()
        ends = [max(sensor.deadline(now) - now, 0) for sensor in self._well]
        return min(ends) / NS if ends else None

    def lost(self) -> str:
        """Tell which sensors cannot be used now, and why; nothing when all can."""
        now = self._clock()
        reasons = [
            f'({modality}: {self._unreadable.get(modality, sensor.status(now).reason)})'
            for modality, sensor in self._sensors.items()
            if sensor.is_lost(now)
        ]
        return ' '.join(reasons)

    def know(self, modality: Modality, info: Any) -> None:
        """Take a camera_info, which tells whether depth is registered to colour."""
        self._cameras[modality] = Intrinsics.of(info)
        self._infos[modality] = info

    def adjust(
        self, health: HealthSettings, pairing: PairingSettings, labelling: ClassifierSettings
    ) -> None:
        """Change the settings from the next image on."""
        self._labelling = labelling
        for sensor in self._sensors.values():
            sensor.settings = health
        self._pairing.settings = pairing
        if isinstance(self._finder, DetectionFinder):
            self._finder.slop = pairing.slop

    def close(self, patience: float) -> bool:
        """Stop labelling; tell whether the inference under way ended within so many seconds."""
        return self._seat.close(patience)

    def statuses(self, inlets: Mapping[Modality, Inlet]) -> list[Status]:
        """Describe the sensors, the labels' latency and their trust for diagnostics."""
        now = self._clock()
        healths = {m: sensor.status(now) for m, sensor in self._sensors.items()}
        sensors = [
            diagnostics.sensor_status(
                modality,
                health,
                inlets[modality],
                other=next((h for m, h in healths.items() if m is not modality), None),
                trouble=self._unreadable.get(modality) or self._misfit(modality, healths),
            )
            for modality, health in healths.items()
        ]
        lately = time.monotonic() - _LATELY
        took = [each for each in list(self._took) if each.at > lately]
        trusted = [each.prediction for each in took[-diagnostics.TRUST_WINDOW :]]
        blind = all(sensor.is_lost(now) for sensor in self._sensors.values())
        seen = (None, None) if blind else (self._objects, self.fault)
        objects = [] if self._finder is None else [diagnostics.objects_status(*seen)]
        return [
            *sensors,
            *objects,
            diagnostics.latency_status(
                [(each.latency, each.inference) for each in took],
                self._seat.busy_for(),
                self._seat.replaced,
            ),
            diagnostics.trust_status(trusted),
        ]

    def _misfit(self, modality: Modality, healths: Mapping[Modality, SensorStatus]) -> str | None:
        """Say why depth does not belong to the colour image; it is always depth that is blamed."""
        live = all(health.level in ('ok', 'warn') for health in healths.values())
        if modality is not Modality.DEPTH or not live or Modality.RGB not in self._newest:
            return None
        if self._pairing.apart is not None:
            return diagnostics.never_pairs(self._pairing.apart)
        reason = misregistration(self._view(Modality.RGB), self._view(Modality.DEPTH))
        return reason and diagnostics.unregistered(reason)

    def _view(self, modality: Modality) -> View:
        frame = self._newest[modality]
        height, width = frame.image.shape[:2]
        return View(frame.frame_id, (width, height), self._cameras.get(modality))

    def _submit(self, observation: Observation | None, now: int) -> None:
        self._deadlines = {m: sensor.deadline(now) for m, sensor in self._sensors.items()}
        if observation is None:
            return
        self._begun = True
        came = {modality: self._arrivals[frame] for modality, frame in observation.frames.items()}
        received = {modality: arrival.received for modality, arrival in came.items()}
        arrived = max(arrival.at for arrival in came.values())
        timeouts = {m: round(self._sensors[m].timeout * NS) for m in observation.frames}
        self._seat.submit(self._label(_Job(observation, arrived, timeouts, received)))

    def _label(self, job: _Job) -> Generator[Request, Answer, None]:
        """Label an observation and say so; the worker's thread runs this."""
        started = time.monotonic()
        observation = self._fresh(job)
        if observation is None:
            self._on_stale(job)
            return
        try:
            prediction, objects = yield from self._say(observation, partial(self._fresh, job))
        except StaleError:
            self._on_stale(job)
            return
        done = time.monotonic()
        latency, inference = 1e3 * (done - job.arrived), 1e3 * (done - started)
        self.fault, self._objects = None, objects
        if prediction is not None:
            self._took.append(_Said(prediction, latency, inference, time.monotonic()))
        received = {modality: job.received[modality] for modality in observation.frames}
        self._said(Labelled(observation, prediction, latency, inference, objects, received))

    def _fresh(self, job: _Job) -> Observation | None:
        return job.fresh(self._clock(), self._is_trusted) if self._live else job.observation

    def _say(
        self, observation: Observation, fresh: Callable[[], Observation | None]
    ) -> Generator[Request, Answer, _Found]:
        """Label the object, or all objects; the label of several is the main one's."""
        if self._finder is None:
            (prediction,) = yield Request(fresh, None, self._is_trusted, self._labelling)
            return prediction, None
        started = time.perf_counter()
        found = self._finder.find(observation)
        sought = {'find': 1e3 * (time.perf_counter() - started)}
        views = [each.view for each in found]
        said = yield Request(fresh, views, self._is_trusted, self._labelling)
        objects = tuple(
            LabelledObject(each, replace(p, took={**sought, **p.took}))
            for each, p in zip(found, said, strict=True)
            if p is not None
        )
        return (objects[0].prediction if objects else None), objects

    def _is_trusted(self, modality: Modality) -> bool:
        return not self._live or self._clock() <= self._deadlines[modality]

    def _on_stale(self, job: _Job) -> None:
        """Tell of an observation that grew stale though no sensor is lost; those are told of."""
        frames = job.observation.frames.values()
        age, patience = job.age(self._clock(), frames), job.patience(frames)
        if age > patience and all(self._is_trusted(m) for m in job.observation.frames):
            self._on_fault(
                StaleError(
                    f'an image was {age / 1e6:.0f} ms old before inference could begin, and is '
                    f"stale after {patience / 1e6:.0f}; lower the camera's rate, or raise grace"
                )
            )

    def _on_fault(self, error: Exception) -> None:
        self.fault = error
        self._failed(error)


def worker_for(classifier: Classifier) -> NewestWorker[Request, Answer]:
    """Make what has a classifier label the newest observation of every watch."""
    return NewestWorker(classifier.answer, 'inference')
