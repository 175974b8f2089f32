# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO judges as the head does, or the head does it itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from mm_perception.engines import judge_with, made_pictures, openvino_engine, openvino_runtime
from mm_perception.engines.openvino_engine import OpenVinoEngine
from mm_perception.engines.openvino_head import OpenVinoHead
from mm_perception.features import BackboneSettings, load_backbone
from mm_perception.head import Head, Judge, Judgement
from mm_perception.models import ModelSettings, Widths
from mm_perception.observation import Modality

pytestmark = pytest.mark.skipif(
    not openvino_runtime.is_installed(), reason='OpenVINO is not installed'
)


def untrained(name: str, modalities: tuple[str, ...], *, trust: bool = False) -> Head:
    settings = ModelSettings(
        name=name,
        modalities=dict.fromkeys(modalities, 512),
        classes=3,
        widths=Widths(hidden=8, a=4, z=4),
    )
    torch.manual_seed(0)
    return Head(settings, trust=trust).eval().requires_grad_(False)


def judged(head: Head) -> tuple[Judge, list[str]]:
    """Have OpenVINO judge in float32, and give what was told of it."""
    names = [Modality(name) for name in head.model.modalities]
    backbone = load_backbone(BackboneSettings(name='squeezenet1_0', weights='random'))
    engine = OpenVinoEngine(dict.fromkeys(names, backbone), 'float32', size=64, threads=2)
    told: list[str] = []
    return judge_with(engine, head, made_pictures(names, 64), told.append), told


@pytest.mark.parametrize('trust', [False, True])
@pytest.mark.parametrize('name', ['m2', 'sdgm', 'ss_mvae', 'ss_hmvae', 'ss_hmvae_kl'])
def test_head_judges_by_openvino_as_by_torch_in_every_mode_and_of_any_number(
    name: str, trust: bool
) -> None:
    single = name in {'m2', 'sdgm'}
    head = untrained(name, ('rgb',) if single else ('rgb', 'depth'), trust=trust)
    judge, told = judged(head)
    assert (told, judge is head) == ([], False)
    for count in (1, 3, 2):
        features = {m: 4 * torch.rand(count, 512) for m in ('rgb', 'depth')}
        for mode in ({'rgb'},) if single else ({'rgb', 'depth'}, {'rgb'}, {'depth'}):
            given = {m: values for m, values in features.items() if m in mode}
            with torch.inference_mode():
                expected, found = head(given), judge(given)
            torch.testing.assert_close(found.stacked(), expected.stacked(), equal_nan=True)
            assert (found.novelty is None) == (expected.novelty is None)
            assert (found.contradiction is None) == (expected.contradiction is None)


@pytest.mark.parametrize(
    ('change', 'differs'), [(0.2, '20.0%'), (float('nan'), 'inf%'), (float('inf'), 'inf%')]
)
def test_head_that_judges_otherwise_by_openvino_is_left_to_torch(
    monkeypatch: pytest.MonkeyPatch, change: float, differs: str
) -> None:
    right = OpenVinoHead.__call__

    def otherwise(self: Any, features: Mapping[str, Tensor]) -> Judgement:
        found = right(self, features)
        return Judgement(found.probabilities + change, found.novelty, found.contradiction)

    monkeypatch.setattr(OpenVinoHead, '__call__', otherwise)
    head = untrained('ss_hmvae_kl', ('rgb', 'depth'), trust=True)
    judge, (told,) = judged(head)
    assert judge is head
    assert told == f'openvino float32: what it says of features differs by {differs}; torch judges'


def test_head_that_openvino_cannot_have_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: object) -> None:
        raise TypeError('no such\noperation')

    monkeypatch.setattr(openvino_engine, 'OpenVinoHead', cannot)
    head = untrained('ss_hmvae_kl', ('rgb', 'depth'))
    judge, told = judged(head)
    assert judge is head
    assert told == ['openvino float32: cannot judge, torch does: no such operation']
