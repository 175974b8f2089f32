# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One classifier for all cameras of a process that want the same one.

It is read when the first of them configures and forgotten when the last one cleans up; it is on its
device from the first one's activate to the last one's deactivate. What one of them does meanwhile
is not noticed by the others.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

from mm_perception.classifier import Classifier, Device
from mm_perception.engines import EngineSettings
from mm_perception.manifest import MANIFEST
from mm_perception.serving.memory import give_back_memory
from mm_perception.serving.request import Answer, Request
from mm_perception.serving.watch import worker_for
from mm_perception.serving.worker import Worker

_LONGEST = 1 << 20  # bytes; a longer manifest is refused when it is read


class _Key(NamedTuple):
    """What classifiers have to have in common to be one.

    Its manifest is the bundle: it has the fingerprints of all the other files. A bundle that is
    replaced on disk is another one from then on.
    """

    path: Path
    manifest: str
    device: Device
    weights: Path | None
    engines: EngineSettings


class ClassifierPool:
    """The classifiers of a process."""

    def __init__(self, cameras: int = 1) -> None:
        """Begin without any.

        Args:
            cameras: How many may share one.

        """
        self.cameras = cameras
        self._lock = threading.Lock()
        self._shared: WeakValueDictionary[_Key, _Shared] = WeakValueDictionary()

    def share(
        self,
        path: Path | str,
        device: Device,
        weights: Path | None,
        engines: EngineSettings,
        said: Callable[[str], None],
    ) -> Share:
        """Give a camera its part in a classifier, which is read unless it is there already.

        Args:
            path: See `Classifier`, and for the others, too.
            device: Where to run.
            weights: The backbone's.
            engines: What may compute the features.
            said: Told what was measured.

        Raises:
            BundleError, WeightsError, SettingsError: As `Classifier`.

        """
        key = _Key(Path(path).resolve(), _fingerprint(Path(path)), device, weights, engines)
        with self._lock:
            shared = self._shared.setdefault(key, _Shared())
        with shared.lock:
            if shared.classifier is None:
                shared.classifier = Classifier(path, device, weights, engines, said)
            shared.parts += 1
            return Share(self, shared, shared.classifier)

    @property
    def engines(self) -> list[str]:
        """What computes for the cameras that are active."""
        with self._lock:
            shared = list(self._shared.values())
        return [each.classifier.engine for each in shared if each.active and each.classifier]

    def forget(self, shared: _Shared) -> None:
        """Give it to nobody any more."""
        with self._lock:
            for key in [key for key, each in self._shared.items() if each is shared]:
                del self._shared[key]


class Share:
    """One camera's part in a classifier.

    Attributes:
        classifier: To be read only: it may be others', too.

    """

    def __init__(self, pool: ClassifierPool, shared: _Shared, classifier: Classifier) -> None:
        """Take part; see `ClassifierPool.share`."""
        self.classifier = classifier
        self._pool, self._shared = pool, shared
        self._active = False

    def activate(self) -> Worker[Request, Answer]:
        """Load it to its device and warm it up, unless it is there already.

        Returns:
            What has it label the newest observation of every camera.

        Raises:
            BundleError: See `Classifier.warm_up`.

        """
        shared = self._shared
        with shared.lock:
            if not shared.active:
                self.classifier.warm_up(self._pool.cameras)
                give_back_memory()
                shared.worker = worker_for(self.classifier)
            shared.active += not self._active
            self._active = True
            assert shared.worker is not None  # whoever was the first made it  # noqa: S101
            return shared.worker

    def deactivate(self) -> None:
        """Take part no more; the last one gives the device's memory back."""
        shared = self._shared
        with shared.lock:
            shared.active -= self._active
            self._active = False
            if not shared.active:
                self.classifier.close()

    def leave(self, halted: bool) -> None:
        """Give the part up; with the last one the classifier goes.

        Args:
            halted: Whether this camera's inference has ended. One that does not end keeps the
                classifier as it is, and nobody else gets it.

        """
        if halted:
            self.deactivate()
        else:
            self._pool.forget(self._shared)
        self._shared.parts -= 1
        last = not self._shared.parts
        del self.classifier, self._shared
        if last:
            give_back_memory()


class _Shared:
    """What the parts are of; there as long as one of them is."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.parts = self.active = 0
        self.classifier: Classifier | None = None
        self.worker: Worker[Request, Answer] | None = None


def _fingerprint(bundle: Path) -> str:
    file = bundle / MANIFEST
    try:
        if file.is_file():  # a pipe would be waited for
            with file.open('rb') as opened:
                return hashlib.sha256(opened.read(_LONGEST)).hexdigest()
    except OSError:
        pass
    return ''  # reading the bundle says what is wrong with it
