# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every semi-supervised model promises, whatever its latent variables."""

from __future__ import annotations

from itertools import chain, combinations
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mm_perception.models import (
    ModelSettings,
    SemiSupervised,
    Widths,
    build_model,
    iterative_sampling,
)

NAMES = ['m2', 'sdgm', 'ss_mvae', 'ss_hmvae', 'ss_hmvae_kl']
WAYS = ['gumbel', 'sum', 'local_expectation']
TWO = {'rgb': 8, 'depth': 5}
THREE = {'rgb': 8, 'depth': 5, 'touch': 3}
SUBSETS = list(chain.from_iterable(combinations(THREE, n) for n in (1, 2, 3)))


def model(name: str, seed: int = 0, **changes: object) -> SemiSupervised:
    torch.manual_seed(seed)
    settings = {
        'name': name,
        'networks': 'mnist',
        'modalities': TWO,
        'classes': 3,
        'widths': Widths(hidden=16, a=6, z=4),
    }
    return build_model(ModelSettings.model_validate(settings | changes))


def items(count: int, modalities: dict[str, int] = TWO, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {m: torch.rand(count, d, generator=generator) for m, d in sorted(modalities.items())}


def classes(count: int) -> Tensor:
    return torch.arange(count) % 3


# --- learning ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('networks', 'way'), [('mnist', 'gumbel'), ('rgbd', 'sum'), ('mnist', 'local_expectation')]
)
@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize(('N', 'M'), [(1, 0), (0, 1), (1, 1), (1, 6), (5, 0), (0, 5)])
def test_a_step_of_any_size_is_finite(name: str, networks: str, way: str, N: int, M: int) -> None:
    it = model(name, networks=networks, label_inference=way)

    loss, terms = it.objective(items(N), classes(N), items(M))
    loss.backward()

    assert loss.isfinite()
    assert all(term.isfinite() and not term.requires_grad for term in terms.values())
    assert all(p.grad is None or p.grad.isfinite().all() for p in it.parameters())
    assert N or terms['L'] == terms['log_q_y'] == 0
    assert M or terms['U'] == 0


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('name', NAMES)
def test_unlabelled_items_teach_every_weight(name: str, way: str) -> None:
    it = model(name, label_inference=way)

    it.objective({}, classes(0), items(8)).loss.backward()

    untouched = [n for n, p in it.named_parameters() if p.grad is None or not p.grad.any()]
    assert untouched == []


@pytest.mark.parametrize('name', NAMES)
def test_the_same_seed_trains_the_same_model(name: str) -> None:
    def trained(seed: int) -> dict[str, Tensor]:
        it = model(name, seed, networks='rgbd')
        optimiser = torch.optim.Adam(it.parameters(), 1e-3)
        for _ in range(5):
            optimiser.zero_grad()
            it.objective(items(4), classes(4), items(6)).loss.backward()
            optimiser.step()
        return it.state_dict()

    one, again, other = trained(0), trained(0), trained(1)

    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ('name', 'way'),
    [
        ('m2', 'local_expectation'),
        ('sdgm', 'sum'),
        ('ss_mvae', 'gumbel'),
        ('ss_hmvae', 'gumbel'),
        *(('ss_hmvae_kl', way) for way in WAYS),
    ],
)
def test_a_step_never_waits_for_the_device(name: str, way: str) -> None:
    """A fake tensor has no values: whatever would read one back from the device raises."""
    with FakeTensorMode():
        it = model(name, label_inference=way)
        optimiser = torch.optim.Adam(it.parameters())
        labelled = {m: torch.rand(4, d) for m, d in TWO.items()}
        unlabelled = {m: torch.rand(6, d) for m, d in TWO.items()}
        it.objective(labelled, torch.zeros(4, dtype=torch.long), unlabelled).loss.backward()
        optimiser.step()
        probabilities = it.eval().probabilities({'rgb': torch.rand(2, 8)}, samples=3)

    assert probabilities.shape == (2, 3)


@pytest.mark.parametrize(
    ('name', 'way'),
    [
        ('ss_hmvae', 'gumbel'),
        ('ss_mvae', 'sum'),
        ('ss_hmvae_kl', 'local_expectation'),
    ],
)
def test_the_objective_compiles_as_one_graph(name: str, way: str) -> None:
    it, same = model(name, label_inference=way), model(name, label_inference=way)
    batch = items(4), classes(4), items(6)
    compiled = torch.compile(it.objective, backend='eager', fullgraph=True)

    torch.manual_seed(2)
    expected = same.objective(*batch)
    torch.manual_seed(2)
    found = compiled(*batch)

    torch.testing.assert_close(found.loss, expected.loss)
    torch.testing.assert_close(found.terms, expected.terms)
    torch.testing.assert_close(it.state_dict(), same.state_dict())  # the running statistics


# --- classifying ---------------------------------------------------------------------------------


@pytest.mark.parametrize('samples', [0, 5])
@pytest.mark.parametrize('present', SUBSETS)
@pytest.mark.parametrize('name', NAMES)
def test_any_subset_is_classified(name: str, samples: int, present: tuple[str, ...]) -> None:
    it = model(name, modalities=THREE).eval()
    x = items(7, THREE)

    with torch.inference_mode():
        probabilities = it.probabilities({m: x[m] for m in present}, samples)

    assert probabilities.shape == (7, 3)
    assert (probabilities >= 0).all()
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(7))


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('odd', [(), ('sound',), ('rgb', 'sound')])
def test_no_modality_or_an_unknown_one_is_refused(name: str, odd: tuple[str, ...]) -> None:
    it = model(name).eval()

    with pytest.raises(ValueError, match=r"cannot classify by .*: give one or more of \['depth'"):
        it.probabilities({m: torch.zeros(2, 8) for m in odd})


@pytest.mark.parametrize('name', NAMES)
def test_the_order_in_which_modalities_are_written_does_not_matter(name: str) -> None:
    one, other = (
        model(name, modalities={'rgb': 8, 'depth': 8}).eval(),
        model(name, modalities={'depth': 8, 'rgb': 8}, seed=9).eval(),
    )
    x = items(4, {'rgb': 8, 'depth': 8})

    other.load_state_dict(one.state_dict())

    assert torch.equal(one.probabilities(x), other.probabilities(dict(reversed(x.items()))))


@pytest.mark.parametrize('name', NAMES)
def test_weights_go_through_safetensors(name: str, tmp_path: Path) -> None:
    it = model(name)
    it.objective(items(4), classes(4), items(6))  # moves the running statistics
    it.eval()
    save_file(it.state_dict(), tmp_path / 'weights.safetensors')

    again = model(name, seed=9).eval()
    again.load_state_dict(load_file(tmp_path / 'weights.safetensors'))

    x = items(4)
    assert torch.equal(it.probabilities(x), again.probabilities(x))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('name', NAMES)
def test_cuda_agrees_with_the_cpu(name: str, way: str) -> None:
    it = model(name, label_inference=way).eval()
    x = items(7)
    on_cpu = it.probabilities({'rgb': x['rgb']})

    it.cuda()
    x = {m: v.cuda() for m, v in x.items()}
    on_cuda = it.probabilities({'rgb': x['rgb']})
    completed = iterative_sampling(it, {'rgb': x['rgb']}, iterations=2)
    loss, _ = it.train().objective(x, classes(7).cuda(), x)
    loss.backward()

    torch.testing.assert_close(on_cuda.cpu(), on_cpu, atol=1e-3, rtol=1e-3)  # TF32 may be on
    assert completed['depth'].is_cuda
    assert loss.isfinite()
