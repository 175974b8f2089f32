# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""M2 is SS-MVAE of one modality."""

from __future__ import annotations

import torch
from torch import Tensor

from mm_perception.models import M2, SSMVAE, ModelSettings, Widths

TWO = {'rgb': 8, 'depth': 5}


def settings(name: str, modalities: dict[str, int]) -> ModelSettings:
    return ModelSettings(
        name=name,
        networks='mnist',
        modalities=modalities,
        classes=3,
        widths=Widths(hidden=16, a=6, z=4),
    )


def pair(modalities: dict[str, int]) -> tuple[M2, SSMVAE]:
    torch.manual_seed(0)
    m2 = M2(settings('m2', modalities))
    ss_mvae = SSMVAE(settings('ss_mvae', {'x': sum(modalities.values())}))
    ss_mvae.load_state_dict(m2.ss_mvae.state_dict())
    return m2, ss_mvae


def items(count: int, modalities: dict[str, int]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(count)
    return {m: torch.rand(count, d, generator=generator) for m, d in sorted(modalities.items())}


def test_of_one_modality_it_is_ss_mvae() -> None:
    m2, ss_mvae = pair({'rgb': 8})
    labelled, y, unlabelled = items(4, {'rgb': 8}), torch.arange(4) % 3, items(6, {'rgb': 8})

    torch.manual_seed(1)
    found = m2.objective(labelled, y, unlabelled)
    torch.manual_seed(1)
    expected = ss_mvae.objective({'x': labelled['rgb']}, y, {'x': unlabelled['rgb']})

    assert torch.equal(found.loss, expected.loss)
    assert found.terms == expected.terms


def test_of_two_modalities_it_is_ss_mvae_of_both_in_the_order_of_their_names() -> None:
    m2, ss_mvae = pair(TWO)
    x = items(5, TWO)

    both = torch.cat([x['depth'], x['rgb']], -1)

    m2.eval(), ss_mvae.eval()
    assert torch.equal(m2.probabilities(x), ss_mvae.probabilities({'x': both}))
    filled = torch.cat([torch.zeros(5, 5), x['rgb']], -1)
    assert torch.equal(m2.probabilities({'rgb': x['rgb']}), ss_mvae.probabilities({'x': filled}))


def test_what_it_decodes_is_cut_into_the_modalities_again() -> None:
    m2, ss_mvae = (it.eval() for it in pair(TWO))
    x = items(5, TWO)

    torch.manual_seed(1)
    parts = m2.reconstruct(x, ['depth', 'rgb'])
    torch.manual_seed(1)
    whole = ss_mvae.reconstruct({'x': torch.cat([x['depth'], x['rgb']], -1)}, ['x'])['x']

    assert torch.equal(torch.cat([parts['depth'], parts['rgb']], -1), whole)
