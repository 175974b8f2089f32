# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bundle + Observation → Prediction; owns the device and the warm-up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch

from mm_perception.bundle import Bundle
from mm_perception.engines import (
    REFERENCE,
    Engine,
    EngineSettings,
    GraphEngine,
    Workload,
    always,
    candidates,
    choose,
    judge_with,
    made_pictures,
)
from mm_perception.errors import BundleError, ImageError, SettingsError, StaleError
from mm_perception.gpu.in_one_piece import InOnePiece
from mm_perception.head import Judge
from mm_perception.inference import Inference, InStages
from mm_perception.judging import Item, Verdict
from mm_perception.objects.boxes import Box
from mm_perception.observation import UNKNOWN, Frame, Modality, Observation, Prediction, mode_of
from mm_perception.pipeline import Pipeline
from mm_perception.serving.memory import give_back_memory
from mm_perception.serving.request import Answer, ClassifierSettings, Request, Trusted
from mm_perception.tracing import computing

Device = Literal['auto', 'cpu', 'cuda']
T = TypeVar('T')

_USUAL = ClassifierSettings()
_WALL = (
    Frame(Modality.RGB, 0, '', np.zeros((480, 640, 3), np.uint8)),
    Frame(Modality.DEPTH, 0, '', np.ones((480, 640), np.float32)),
)


@dataclass(frozen=True)
class _Prepared:
    """A request's items, as the networks take them."""

    request: Request
    stamp: int
    items: Sequence[Item]
    milliseconds: float


class Classifier:
    """Labels observations with a bundle.

    Made on the CPU, where everything is read and checked; ``warm_up`` moves it to its device and
    ``close`` gives the device's memory back, after which it may be warmed up again.

    Attributes:
        fault: Why it does not run where it was asked to, or None.

    """

    def __init__(
        self,
        path: Path | str,
        device: Device = 'auto',
        backbone_weights: Path | None = None,
        engines: EngineSettings = REFERENCE,
        said: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Read a bundle, and choose the engine where that is to run on a CPU.

        That takes seconds the first time on a machine; a GPU's is chosen when it is warmed up.
        From then on nothing of the model is read any more: whatever becomes of the bundle on disk,
        this is the one that labels.

        Args:
            path: The bundle's folder.
            device: ``auto`` takes a GPU where there is one.
            backbone_weights: The backbone's weights, where the bundle does not hold them and they
                are not in torch's cache.
            engines: What may compute the features.
            said: Told, line by line, what was measured for that.

        Raises:
            BundleError, WeightsError, SettingsError: What was asked for cannot be had.

        """
        if device == 'cuda' and not torch.cuda.is_available():
            raise SettingsError("device: 'cuda' was asked for, but torch finds no GPU; use 'auto'")
        self.bundle = Bundle.load(Path(path))
        weights = self.bundle.backbone_weights
        settings = self.bundle.manifest.pipeline
        if backbone_weights is not None:
            weights = {m: weights.get(m, backbone_weights) for m in settings.modalities}
        self.pipeline, self._weights = Pipeline(settings, weights), weights
        on_gpu = device == 'cuda' or (device == 'auto' and torch.cuda.is_available())
        self._wanted = torch.device('cuda' if on_gpu else 'cpu')
        # An engine of the CPU is chosen once and stays; one of a GPU goes with the GPU's memory.
        self._fixed = not on_gpu and engines != REFERENCE
        self._engines, self._said = engines, said
        judge: Judge = self.bundle.head
        if self._fixed:
            work = self._work()
            engine = self._choose(work)
            with computing():
                judge = judge_with(engine, self.bundle.head, work.images, said)
            self.pipeline.compute_with(engine)
            if judge is not self.bundle.head:
                self.bundle.head.to('meta')  # shapes without memory: nothing computes with it
        elif engines != REFERENCE:
            candidates(engines, quantized=False, device=self._wanted)
        self._in_stages = InStages(self.pipeline, judge)
        self._inference: Inference = self._in_stages
        self.fault: str | None = None
        self._lost: str | None = None  # why the GPU is not used any more

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of every prediction's probabilities."""
        return self.bundle.manifest.classes

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that the bundle was trained with, the preferred one first."""
        return self.pipeline.settings.modalities

    @property
    def device(self) -> torch.device:
        """Where it runs now."""
        return self.pipeline.device

    @property
    def engine(self) -> str:
        """What computes the features now, and in how many bits."""
        return self.pipeline.engine.name

    def warm_up(self, at_once: int = 1) -> None:
        """Move to the device and run every mode once, so that the first label is not late.

        Args:
            at_once: How many observations there may be in one inference. An engine prepares itself
                anew for each number of images, when it meets that for the first time; a GPU also
                for each resolution, of which it is 640×480 here.

        """
        self.fault = self._lost
        self._move(self._wanted)
        for count in range(1, at_once + 1):
            for each in self.modalities:
                self._try([each], count)
            self._try(self.modalities, count)

    def close(self) -> None:
        """Give the device's memory back."""
        with suppress(BundleError):  # which warm_up tells of
            self._move(torch.device('cpu'))
        if self._wanted.type == 'cuda':
            give_back_memory()  # networks are full of cycles, which the collector was told to keep
            torch.cuda.empty_cache()

    def classify(
        self,
        observation: Observation,
        trusted: Trusted = always,
        settings: ClassifierSettings = _USUAL,
    ) -> Prediction:
        """Label an observation.

        A modality whose region shows nothing is left out, and so is one whose sensor is lost while
        its features are computed. The prediction's mode says so.

        Args:
            observation: What was seen.
            trusted: Whether a sensor can be trusted now; asked time and again.
            settings: What is made of the model's answer.

        Raises:
            ImageError: No modality shows anything.
            StaleError: No sensor can be trusted any more.
            BundleError: The weights are so large that nothing finite comes of them.

        """
        (prediction,) = self._one(Request(lambda: observation, None, trusted, settings))
        assert prediction is not None  # else nothing could be trusted  # noqa: S101
        return prediction

    def classify_each(
        self, observation: Observation, boxes: Sequence[Box], trusted: Trusted = always
    ) -> Answer:
        """Label several objects of one observation, at once.

        Each has a mode of its own: one with next to no valid depth is labelled from RGB alone.

        Args:
            observation: What was seen.
            boxes: Where the objects are.
            trusted: As for ``classify``.

        Returns:
            A prediction for each box; None for one in which no modality shows anything.

        Raises:
            StaleError, BundleError: As ``classify``.

        """
        return self._one(Request(lambda: observation, boxes, trusted))

    def answer(self, requests: Sequence[Request]) -> list[Answer | Exception]:
        """Label the observations of several cameras in one inference.

        Returns:
            For each request its predictions, as of ``classify`` or ``classify_each``, or what those
            would raise. A batch changes no label: what is wrong with one is no other's affair.

        """

        def run() -> list[Answer | Exception]:
            prepared = [self._prepared(request) for request in requests]
            there = [each for each in prepared if isinstance(each, _Prepared)]
            answers = iter(self._predict(there))
            return [e if isinstance(e, Exception) else next(answers) for e in prepared]

        return self._or_on_cpu(run)

    def _one(self, request: Request) -> Answer:
        (answer,) = self.answer([request])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _prepared(self, request: Request) -> _Prepared | Exception:
        start = time.perf_counter()
        try:
            observation = request.fresh()
            if observation is None:
                return StaleError('stale before the inference began')
            if request.boxes is None:
                items = [self._inference.prepare(observation)]
            else:
                items = [self._shown(observation, box) for box in request.boxes]
        except Exception as error:  # noqa: BLE001 - one bad image must not cost the others theirs
            return error
        return _Prepared(request, observation.stamp, items, 1e3 * (time.perf_counter() - start))

    def _shown(self, observation: Observation, box: Box) -> Item:
        try:
            return self._inference.prepare(observation, box)
        except ImageError:  # no modality shows anything
            return {}

    def _predict(self, batch: Sequence[_Prepared]) -> list[Answer | Exception]:
        start = time.perf_counter()
        items = [item for each in batch for item in each.items]
        trusts = [b.request.trusted for b in batch for _ in b.items]
        found = iter(self._judge(items, trusts))
        whole = {'classify': 1e3 * (time.perf_counter() - start)}
        stages = self._inference.took or whole
        return [
            self._answer(
                each,
                list(islice(found, len(each.items))),
                {'prepare': each.milliseconds, **stages},
            )
            for each in batch
        ]

    def _answer(
        self, asked: _Prepared, found: Sequence[Verdict | None], took: Mapping[str, float]
    ) -> Answer | Exception:
        shown = [mode_of(item) for item in asked.items if item]
        if shown and not any(found):
            return StaleError(f'{shown[0]}: lost before the label was made')
        known, stamp = asked.request.settings, asked.stamp
        try:
            return [None if v is None else self._prediction(stamp, v, took, known) for v in found]
        except BundleError as error:
            return error

    def _prediction(
        self,
        stamp: int,
        verdict: Verdict,
        took: Mapping[str, float],
        settings: ClassifierSettings,
    ) -> Prediction:
        scores = dict(zip(self.classes, verdict.probabilities, strict=True))
        if not all(map(math.isfinite, scores.values())):
            raise BundleError(f'{self.bundle.path}: its weights give no finite probability of this')
        novelty, contradiction = self._measured(verdict)
        strange = novelty is not None and not novelty <= 1  # NaN is strange, too
        unknown = strange and settings.reject_unknown
        label = UNKNOWN if unknown else max(scores, key=scores.__getitem__)
        return Prediction(stamp, verdict.mode, label, scores, novelty, contradiction, took)

    def _measured(self, verdict: Verdict) -> tuple[float | None, float | None]:
        """Give novelty and contradiction in multiples of what the bundle allows."""
        usual = self.bundle.manifest.trust
        if usual is None or verdict.novelty is None:
            return None, None
        novelty = verdict.novelty / usual.novelty[verdict.mode]
        if verdict.contradiction is None or usual.contradiction is None:
            return novelty, None
        return novelty, verdict.contradiction / usual.contradiction

    def _try(self, modalities: Collection[Modality], count: int) -> None:
        """Judge a wall as most cameras would see it, so many times at once."""
        wall = Observation.of(*(frame for frame in _WALL if frame.modality in modalities))
        table = self.pipeline.settings.region.tabletop is not None

        def run() -> None:
            item = self._inference.prepare(wall, Box(0, 0, 1, 1) if table else None)
            self._judge([item] * count, [always] * count)

        self._or_on_cpu(run)

    def _judge(self, items: Sequence[Item], trusts: Sequence[Trusted]) -> list[Verdict | None]:
        return self._inference.judge(items, trusts)  # by whatever infers at the moment

    def _work(self) -> Workload:
        size = self.pipeline.settings.preprocessing.size
        images = self.bundle.frames() or made_pictures(self.modalities, size)
        return Workload(self.pipeline.backbones, images, self.bundle.quantized_networks)

    def _choose(self, work: Workload) -> Engine:
        """Build the engine that is the fastest where the backbones are."""
        with computing():
            return choose(self._engines, work, self.bundle.path, self._said)

    def _compute_on_gpu(self, engine: Engine) -> None:
        self.pipeline.engine, settings = engine, self.pipeline.settings
        if isinstance(engine, GraphEngine):
            # Where the networks win as a graph, so does all that is around them.
            engine.forget()  # what was only to measure it
            head, said = self.bundle.head, self._said
            self._inference = InOnePiece(settings, engine.networks, head, said=said)

    def _move(self, device: torch.device) -> None:
        try:
            if not self._fixed:
                self.pipeline.to(device)
                self.bundle.head.to(device)
            self._inference = self._in_stages
            if device.type == 'cuda' and self._engines != REFERENCE:
                self._compute_on_gpu(self._choose(self._work()))
        except torch.OutOfMemoryError as error:
            self._fall_back(error)
        except RuntimeError as error:
            self._leave_gpu(error)

    def _or_on_cpu(self, action: Callable[[], T]) -> T:
        """Do it; when the GPU cannot, move to the CPU for good and do it there."""
        try:
            with computing():
                return action()
        except torch.OutOfMemoryError as error:
            self._fall_back(error)
        except RuntimeError as error:
            self._leave_gpu(error)  # which traces networks, and would wait for this computation
        with computing():
            return action()

    def _leave_gpu(self, error: RuntimeError) -> None:
        """Read the bundle anew, for the CPU: what lies on a GPU that is lost is lost with it."""
        why = str(error).partition('\n')[0]
        if not any(whose in why for whose in ('CUDA error', 'cuDNN error')):
            raise error  # a bug
        bundle = Bundle.load(self.bundle.path)
        if bundle.manifest != self.bundle.manifest:
            raise BundleError(
                f'{bundle.path}: another bundle by now, and the GPU with the one before is lost '
                f'({why}); clean up and configure'
            ) from error
        self.pipeline = Pipeline(self.pipeline.settings, self._weights)
        self.bundle, self._wanted = bundle, torch.device('cpu')
        self._inference = self._in_stages = InStages(self.pipeline, bundle.head)
        self._lost = f'the GPU is lost ({why}): running on the CPU; check the GPU, restart the node'
        self.fault = self._lost

    def _fall_back(self, error: torch.OutOfMemoryError) -> None:
        self.fault = (
            f'out of GPU memory ({str(error).split(". ")[0]}): running on the CPU; '
            'free the GPU, then deactivate and activate'
        )
        self._move(torch.device('cpu'))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
