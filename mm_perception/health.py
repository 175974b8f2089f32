# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which modalities can be trusted right now, and why not.

A sensor is *lost* when its last good frame is older than two of its own frame periods, whether it
fell silent or sends pictures that show nothing. It is back with its first good frame.
The clock is passed in, so that an hour of trouble can be tested in a second.
"""

from __future__ import annotations

import itertools
import statistics
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mm_perception.observation import Frame, Modality

NS = 1_000_000_000
"""Nanoseconds in a second."""

_WINDOW = 10  # frames from which period and rate are learned: a new rate counts after five of them
_SAMPLES = 60  # this many rows of pixels are enough to see that a picture shows nothing
_BLACK, _WHITE = 16, 250  # grey levels
_BLANK_SHARE = 0.98  # of the pixels black, or white: a lens cap or a lamp, not a dark room
_JUMP = NS  # a stamp that is further back than this is a clock set back, not a frame out of order
_STUBBORN = 3  # as are this many stamps in a row that go back
_SLOW_PLAY = 1.5  # arrivals slower than the stamps by this factor: a bag played slowly


@dataclass(frozen=True)
class HealthSettings:
    """What makes a sensor unusable.

    Attributes:
        timeout_periods: A sensor is lost after this many of its own frame periods without a good
            frame.
        grace: Seconds added to that for the jitter of transport and scheduling, so that one
            dropped frame does not make the mode flicker.
        assumed_period: The frame period in seconds until a sensor's own is learned.
        max_invalid: The share of invalid pixels over which a depth frame is unusable.
        min_spread: The standard deviation in grey levels under which an RGB picture is one colour.
        frozen_repeats: After this many exact repetitions of a picture the sensor is frozen;
            0 never. Simulators without sensor noise want 0.

    """

    timeout_periods: float = 2.0
    grace: float = 0.02
    assumed_period: float = 0.1
    max_invalid: float = 0.9
    min_spread: float = 1.5
    frozen_repeats: int = 2


@dataclass(frozen=True)
class SensorStatus:
    """A sensor's state for diagnostics.

    Attributes:
        level: ``ok``; ``warn`` (usable, with trouble); ``error`` (was there, is lost);
            ``stale`` (no frame has come yet).
        reason: One line for a person.
        rate: Frames a second that arrive, good or not; 0 when unknown.
        age: Seconds since the last good frame; None before the first.

    """

    level: str
    reason: str
    rate: float
    age: float | None


class SensorHealth:
    """Judges the frames of one sensor and tells whether it is lost."""

    def __init__(
        self, modality: Modality, settings: HealthSettings | None = None, *, live: bool = True
    ) -> None:
        """Begin without any memory of the sensor.

        Args:
            modality: The sensor.
            settings: What makes it unusable.
            live: Whether the frames come from the camera itself. In a recording they may have been
                received in any pace, and are none the worse for it.

        """
        self.modality = modality
        self.settings = settings or HealthSettings()
        self._live = live
        self.reset()

    def reset(self) -> None:
        """Forget everything: the sensor counts as not yet seen."""
        self._stamps: deque[int] = deque(maxlen=_WINDOW + 1)
        self._arrivals: deque[int] = deque(maxlen=_WINDOW + 1)
        self._since: int | None = None  # when the wait for the first good frame began
        self._last_good: int | None = None
        self._fault: str | None = None
        self._refused = 0
        self._delay: int | None = None  # from stamp to arrival, of the last frame in time
        self._late = 0  # the same, of the last frame that was held up
        self._in_step = 0  # frames held up in a row that came as fast as they were taken
        self._previous: NDArray[np.generic] | None = None
        self._changed = 0  # when the picture was last another than before
        self._repeats = 0

    @property
    def period(self) -> float:
        """The sensor's own frame period in seconds, learned from its stamps.

        Where frames arrive much slower than their stamps say (a bag played slowly), from their
        arrival.
        """
        by_stamp = _median_step(self._stamps)
        if by_stamp is None:
            return self.settings.assumed_period
        by_arrival = _median_step(self._arrivals) or by_stamp
        return (by_arrival if by_arrival > _SLOW_PLAY * by_stamp else by_stamp) / NS

    @property
    def timeout(self) -> float:
        """Seconds without a good frame after which the sensor is lost."""
        return self.settings.timeout_periods * self.period + self.settings.grace

    def inspect(self, frame: Frame, now: int) -> str | None:
        """Judge a frame that has just arrived.

        Args:
            frame: A frame of this sensor.
            now: Time of arrival in ns, of any clock that ``is_lost`` is asked with too.

        Returns:
            None when it is good, else one line saying why it cannot be used.

        """
        self._notice_clock(now)
        self._arrivals.append(now)
        fault = self._out_of_order(frame.stamp)
        if fault is None:
            self._stamps.append(frame.stamp)
            fault = (
                self._held_up(now - frame.stamp)
                or self._blank(frame)
                or self._frozen(frame.image, now)
            )
        self._fault = fault
        if fault is None:
            self._last_good = now
        return fault

    def is_lost(self, now: int) -> bool:
        """Whether the sensor has been without a good frame for too long."""
        return now > self.deadline(now)

    def is_stale(self, arrival: int, now: int) -> bool:
        """Whether a frame that arrived then is too old to be used by now."""
        return self._live and now - arrival > self.timeout * NS

    def deadline(self, now: int) -> int:
        """The time in ns at which the sensor is lost unless a good frame comes."""
        self._notice_clock(now)
        return self._end()

    def status(self, now: int) -> SensorStatus:
        """Describe the sensor's state for diagnostics."""
        lost = self.is_lost(now)
        age = None if self._last_good is None else (now - self._last_good) / NS
        rate = self._rate(now)
        if lost and self._fault is not None:
            return SensorStatus('error', self._fault, rate, age)
        if age is None:
            return SensorStatus('stale', 'no frame has come yet', rate, None)
        if lost:
            return SensorStatus('error', f'silent for {age:.2f} s', rate, age)
        if self._fault is not None:
            return SensorStatus('warn', self._fault, rate, age)
        return SensorStatus('ok', f'{rate:.1f} Hz', rate, age)

    def _notice_clock(self, now: int) -> None:
        """Begin to wait for the first frame, or begin again when the clock is set back."""
        newest = self._arrivals[-1] if self._arrivals else self._since
        if newest is not None and newest - now < _JUMP:
            return  # forward, or so little back that it does not matter
        if newest is not None and newest > self._end():
            # It was lost before the clock was set back, and stays so until its next good frame.
            self._last_good = self._since = now - round(self.timeout * NS) - 1
        elif self._last_good is not None:
            self._last_good = self._since = now  # both, or the next look sees another jump
        else:
            self._since = now
        self._arrivals.clear()

    def _end(self) -> int:
        start = self._since if self._last_good is None else self._last_good
        assert start is not None  # _notice_clock has set it  # noqa: S101
        return start + round(self.timeout * NS)

    def _out_of_order(self, stamp: int) -> str | None:
        back = self._stamps[-1] - stamp if self._stamps else -1
        if back < 0:
            self._refused = 0
            return None
        self._refused += 1
        if back >= _JUMP or (back > 0 and self._refused >= _STUBBORN):
            self._stamps.clear()
            self._refused, self._delay = 0, None
            return None
        if back == 0:
            return 'stamps do not advance: the driver sends a frame again'
        return f'frames come out of order: stamp {back / NS:.3f} s before the last'

    def _held_up(self, delay: int) -> str | None:
        """Tell a frame that was held up on its way: what it shows is long gone.

        The clocks of camera and robot need not agree, so a frame is late when it took much longer
        than the one before. After a jam each takes less than the one before. Where none does, all
        will from now on: the way has become longer, or a clock was set.
        """
        late = 0 if self._delay is None else delay - self._delay
        if not self._live or late <= self.timeout * NS:
            self._delay, self._in_step = delay, 0
            return None
        catching_up = self._late - delay > self.period * NS / 2
        self._in_step = 1 if catching_up else self._in_step + 1
        self._late = delay
        if self._in_step >= _STUBBORN:
            self._delay, self._in_step = delay, 0
            return None
        return f'the image was held up on its way for {late / NS:.2f} s'

    def _blank(self, frame: Frame) -> str | None:
        if frame.modality is Modality.DEPTH:
            return self._blank_depth(_sample(frame.image))
        channels = np.ascontiguousarray(np.moveaxis(_averaged(frame.image), -1, 0))  # faster by far
        if (channels.max(axis=0) < _BLACK).mean() > _BLANK_SHARE:
            return 'the picture is black: is the lens covered?'
        if (channels.min(axis=0) > _WHITE).mean() > _BLANK_SHARE:
            return 'the picture is white: is it overexposed?'
        if channels.std(axis=(1, 2)).max() < self.settings.min_spread:
            return 'the picture is of one colour: is the lens covered?'
        return None

    def _blank_depth(self, sample: NDArray[np.generic]) -> str | None:
        valid = sample[np.isfinite(sample)]
        invalid = 1 - valid.size / sample.size
        if invalid > self.settings.max_invalid or not valid.size:
            return f'{invalid:.0%} of the depth is invalid: too near, too far, or sunlight?'
        if valid.min() == valid.max():
            return f'the depth is {valid[0]:.3f} m everywhere: is the lens covered?'
        return None

    def _frozen(self, image: NDArray[np.generic], now: int) -> str | None:
        same = self._previous is not None and _same(self._previous, image)
        self._repeats = self._repeats + 1 if same else 0
        self._previous = image
        if not same:
            self._changed = now
        if 0 < self.settings.frozen_repeats <= self._repeats:
            if self._last_good is not None:  # the repetitions before were none either
                self._last_good = min(self._last_good, self._changed)
            return (
                f'the picture is frozen: {self._repeats} exact repetitions; restart the camera, or '
                'set frozen_repeats to 0 if it is simulated'
            )
        return None

    def _rate(self, now: int) -> float:
        if len(self._arrivals) < 2:  # noqa: PLR2004 - a rate needs two frames
            return 0.0
        span = max(now - self._arrivals[0], 1)
        recent = self._arrivals[-1] - self._arrivals[0]
        # Up to the last frame while frames come; up to now once they stay out.
        if now - self._arrivals[-1] <= self.timeout * NS:
            span = max(recent, 1)
        return (len(self._arrivals) - 1) * NS / span


def _median_step(times: deque[int]) -> float | None:
    """The median distance of successive times; None with fewer than three of them."""
    if len(times) < 3:  # noqa: PLR2004 - one step alone may be a hiccup
        return None
    return statistics.median_low(b - a for a, b in itertools.pairwise(times))


def _same(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    """Whether two images are equal bit for bit; NaN equals NaN."""
    if one.shape != other.shape:
        return False
    if not _equal(_sample(one), _sample(other)):
        return False  # nearly always decided here, on a 64th of a VGA image's pixels
    return _equal(one, other)


def _sample(image: NDArray[np.generic]) -> NDArray[np.generic]:
    step = max(1, min(image.shape[:2]) // _SAMPLES)
    return image[::step, ::step]


def _averaged(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """Average a picture, H×W×3, by blocks: a covered lens's noise is next to nothing then."""
    if image.strides[2] < 0:
        image = image[:, :, ::-1]  # as it lies in memory; the order of channels tells nothing here
    step = max(1, min(image.shape[:2]) // _SAMPLES)
    thinned = image[:: max(1, step // 4)]  # a few rows of each block are enough
    tall = step // max(1, step // 4)
    height, width = thinned.shape[0] // tall, thinned.shape[1] // step
    whole = np.asarray(thinned[: height * tall, : width * step])
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


def _equal(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == 'f')
