# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from mm_perception.head import Head
from mm_perception.models import ModelSettings, Widths
from training.evaluation.shared_space import principal_plane, shared_space

CPU = torch.device('cpu')


def head(name: str = 'ss_hmvae_kl', a: int = 4) -> Head:
    torch.manual_seed(0)
    widths = Widths(hidden=8, a=a, z=2)
    settings = ModelSettings(name=name, modalities={'rgb': 6, 'depth': 5}, classes=3, widths=widths)
    return Head(settings).eval()


def features(frames: int = 30) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        n: torch.rand(frames, d, generator=generator) for n, d in {'rgb': 6, 'depth': 5}.items()
    }


def test_the_plane_keeps_the_distances_of_what_lies_in_a_plane() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(40, 2)) * (3, 1)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0][:2]
    points, explained = principal_plane(flat @ turn + 7)
    assert sum(explained) == pytest.approx(1)
    assert explained[0] > explained[1] > 0

    def distances(each: np.ndarray) -> np.ndarray:
        return np.linalg.norm(each[:, None] - each[None], axis=-1)

    np.testing.assert_allclose(distances(points), distances(flat), atol=1e-9)


def test_the_shares_are_of_all_the_variance_not_of_the_planes() -> None:
    values = np.random.default_rng(0).normal(size=(2000, 10))
    _, explained = principal_plane(values)
    assert explained == pytest.approx((0.1, 0.1), abs=0.02)


def test_equal_frames_lie_on_one_spot() -> None:
    points, explained = principal_plane(np.ones((5, 3)))
    np.testing.assert_array_equal(points, 0)
    assert explained == (0, 0)


def test_each_frame_lies_where_each_posterior_puts_it() -> None:
    model, inputs = head(), features()
    found = shared_space(model, inputs, CPU)
    assert found is not None
    assert list(found.points) == ['rgbd', 'rgb', 'depth']
    assert found.frames == 30
    with torch.no_grad():
        scaled = model.scaling(inputs)
        means = [
            model.model.posterior({n: scaled[n] for n in names}).mean  # type: ignore[operator, union-attr]
            for names in (('rgb', 'depth'), ('rgb',), ('depth',))
        ]
    expected, _ = principal_plane(torch.cat(means).double().numpy())
    np.testing.assert_allclose(np.concatenate(list(found.points.values())), expected, atol=1e-6)


def test_a_model_without_posteriors_of_single_eyes_has_no_map() -> None:
    assert shared_space(head('ss_hmvae'), features(), CPU) is None
    assert shared_space(head(a=1), features(), CPU) is None
    assert shared_space(head(), {'rgb': features()['rgb']}, CPU) is None
