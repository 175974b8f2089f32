# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The fastest engine of this machine, by measuring, among those that compute the same."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mm_perception.engines.candidates import Candidate, EngineSettings, Workload, build, candidates
from mm_perception.engines.engine import Engine, Images, Precision
from mm_perception.engines.record import Machine, Record, Trial, fastest
from mm_perception.engines.torch_engine import TorchEngine
from mm_perception.errors import BundleError, SettingsError
from mm_perception.head import Head, Judge, Judgement
from mm_perception.observation import Modality
from mm_perception.trust import modes_of

_ALLOWED: Mapping[Precision, float] = {'float32': 1e-3, 'bfloat16': 0.03, 'int8': 0.3}
"""Relative errors that show an engine to be broken; what int8 costs was measured in training."""
_WARM_UP, _ROUNDS = 2, 9
_HOPELESS = 3.0  # times as long as the best: not worth more rounds


def choose(
    settings: EngineSettings, work: Workload, bundle: Path, said: Callable[[str], None]
) -> Engine:
    """Build the fastest engine whose features are near enough to the reference's.

    What is measured is kept in the bundle's folder, for this machine; where that cannot be written
    to it is measured each time.

    Args:
        settings: Which engines may be taken.
        work: What they have to compute.
        bundle: The bundle's folder.
        said: Told, line by line, what was measured.

    Raises:
        SettingsError: None may be taken, and why.
        BundleError: A quantized network cannot be read.

    """
    allowed = candidates(settings, bool(work.quantized), work.device)
    if len(allowed) == 1:
        return _checked(allowed[0], work)
    record = Record(bundle, Machine.this(bundle, allowed, work.device))
    best = fastest(record.read())
    if best is None:
        said('measuring which engine is the fastest on this machine; it is done once')
        trials = measure(allowed, work, said)
        best = fastest(trials)
        if best is None:
            raise SettingsError('engine: none of those allowed works here; the log says why')
        record.keep(trials)
    return _checked(Candidate(best.engine, best.precision), work)


def judge_with(
    engine: Engine, head: Head, images: Images, said: Callable[[str], None] = lambda _: None
) -> Judge:
    """Have an engine judge its features as well, where it judges as the head does.

    Args:
        engine: Which one, of the CPU.
        head: What is learned, on the CPU.
        images: Some of each modality, to check with.
        said: Told why the head itself has to do it.

    """
    try:
        judge = engine.judge(head)
        if judge is head:
            return head
        differ = _greatest_difference(judge, head, one_by_one(engine, images))
    except Exception as error:  # noqa: BLE001 - whatever OpenVINO cannot do: torch can
        said(f'{engine.name}: cannot judge, torch does: {" ".join(str(error).split())}')
        return head
    if differ > min(_ALLOWED[engine.precision], _ALLOWED['bfloat16']):  # no head is in int8
        said(f'{engine.name}: what it says of features differs by {differ:.1%}; torch judges')
        return head
    return judge


def _greatest_difference(judge: Judge, of: Judge, features: Mapping[Modality, Tensor]) -> float:
    """Compare judges in every mode, by one item and, always, by several."""
    named = {str(modality): values.repeat(2, 1) for modality, values in features.items()}
    return max(
        _difference(judge(given), of(given))
        for rows in (slice(0, 1), slice(None))
        for given in _in_every_mode(named, rows)
    )


def _in_every_mode(features: Mapping[str, Tensor], rows: slice) -> list[dict[str, Tensor]]:
    return [{name: features[name][rows] for name in names} for names in modes_of(features).values()]


def _difference(one: Judgement, of: Judgement) -> float:
    """Give the greatest difference: of a probability, and of what trust measures relative to it.

    Infinite where there is another number of items, or where one has a number and the other none.
    """
    found, expected = one.stacked(), of.stacked()
    if found.shape != expected.shape or not torch.equal(found.isfinite(), expected.isfinite()):
        return float('inf')
    apart = (found - expected).abs()
    apart[:, -2:] /= expected[:, -2:].abs().clamp(min=1.0)  # next to nothing is as good as nothing
    return float(apart[expected.isfinite()].max())


def measure(
    allowed: Sequence[Candidate], work: Workload, said: Callable[[str], None] = lambda _: None
) -> list[Trial]:
    """Build, check and time one engine after the other, each for one image of each modality."""
    expected = one_by_one(TorchEngine(work.backbones), work.images)
    trials: list[Trial] = []
    for candidate in allowed:
        best = fastest(trials)
        limit = _HOPELESS * best.milliseconds if best else float('inf')
        try:
            trials.append(_try(candidate, work, expected, limit))
            said(str(trials[-1]))
        except (BundleError, RuntimeError) as error:  # the others may do
            if work.device.type == 'cuda' and isinstance(error, RuntimeError):
                raise  # out of memory, or lost: which is no engine's fault, and may pass
            said(f'{candidate}: not to be had: {" ".join(str(error).split())}')
    return trials


def one_by_one(engine: Engine, images: Images) -> dict[Modality, Tensor]:
    """Compute features as a robot does that sees one object."""
    count = len(next(iter(images.values())))
    found = [engine({m: each[i : i + 1] for m, each in images.items()}) for i in range(count)]
    return {modality: torch.cat([each[modality] for each in found]) for modality in images}


def relative_error(features: Mapping[Modality, Tensor], of: Mapping[Modality, Tensor]) -> float:
    """Give the greatest ‖f − f_ref‖ / ‖f_ref‖ of the modalities; infinite where shapes differ."""
    if {m: f.shape for m, f in features.items()} != {m: ref.shape for m, ref in of.items()}:
        return float('inf')
    norm = torch.linalg.vector_norm
    return max(float(norm(features[m] - ref) / norm(ref)) for m, ref in of.items())


def _try(
    candidate: Candidate, work: Workload, expected: Mapping[Modality, Tensor], limit: float
) -> Trial:
    engine = build(candidate, work)
    error = relative_error(one_by_one(engine, work.images), expected)
    one = {modality: images[:1] for modality, images in work.images.items()}
    took: list[float] = []
    for _ in range(_WARM_UP + _ROUNDS):
        start = time.perf_counter()
        engine(one)
        if work.device.type == 'cuda':
            torch.cuda.synchronize(work.device)
        took.append(1e3 * (time.perf_counter() - start))
        if len(took) > _WARM_UP and took[-1] > limit:
            break
    return Trial(
        engine=candidate.engine,
        precision=candidate.precision,
        milliseconds=round(statistics.median(took[_WARM_UP:]), 2),
        error=error,
        usable=error <= _ALLOWED[candidate.precision],
    )


def _checked(candidate: Candidate, work: Workload) -> Engine:
    """Build an engine, and see that it still computes what the reference does."""
    engine = build(candidate, work)
    expected = one_by_one(TorchEngine(work.backbones), work.images)
    error = relative_error(one_by_one(engine, work.images), expected)
    if error > _ALLOWED[candidate.precision]:
        raise SettingsError(
            f'engine {candidate}: its features differ from the reference by {error:.1%}; '
            "use engine 'torch' in precision 'float32', and report this machine's processor"
        )
    return engine
