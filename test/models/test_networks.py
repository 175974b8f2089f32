# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Both tables of appendix A.1, layer by layer, and what the trunks do at the edges."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from mm_perception.models import ModelSettings, SemiSupervised, build_model
from mm_perception.models.distributions import VARIANCE_FLOOR
from mm_perception.models.networks import (
    BatchNorm,
    GaussianNetwork,
    Layers,
    Trunk,
    normalised_by_the_first,
)

# What the paper's tables say, as the shapes (inputs, outputs) of the linear layers in order;
# 'BR' follows every layer but the heads. The heads of a Gaussian are two, mean and variance.
MNIST = {
    'q_a': {
        'trunk': [(392, 512), (512, 512), (392, 512), (512, 512), (1024, 512)],
        'heads': [(512, 128), (512, 128)],
    },
    'q_a_single.left': {'trunk': [(392, 512), (512, 512)], 'heads': [(512, 128), (512, 128)]},
    'q_a_single.right': {'trunk': [(392, 512), (512, 512)], 'heads': [(512, 128), (512, 128)]},
    'p_x_a.left': {'trunk': [(128, 512), (512, 512)], 'heads': [(512, 392)]},
    'p_x_a.right': {'trunk': [(128, 512), (512, 512)], 'heads': [(512, 392)]},
    'q_y_a': {'trunk': [(128, 512)], 'heads': [(512, 10)]},
    'p_a_zy': {'trunk': [(74, 512), (512, 512)], 'heads': [(512, 128), (512, 128)]},
    'q_z_ay': {'trunk': [(138, 512), (512, 512)], 'heads': [(512, 64), (512, 64)]},
}
RGBD = {
    'q_a': {'trunk': [(4096, 1024), (4096, 1024)], 'heads': [(2048, 1024), (2048, 1024)]},
    'q_a_single.depth': {
        'trunk': [(4096, 1024), (1024, 1024)],
        'heads': [(1024, 1024), (1024, 1024)],
    },
    'q_a_single.rgb': {
        'trunk': [(4096, 1024), (1024, 1024)],
        'heads': [(1024, 1024), (1024, 1024)],
    },
    'p_x_a.depth': {'trunk': [(1024, 1024), (1024, 1024)], 'heads': [(1024, 4096)]},
    'p_x_a.rgb': {'trunk': [(1024, 1024), (1024, 1024)], 'heads': [(1024, 4096)]},
    'q_y_a': {'trunk': [(1024, 1024)], 'heads': [(1024, 51)]},
    'p_a_zy': {'trunk': [(51, 1024), (1024, 1024)], 'heads': [(2048, 1024), (2048, 1024)]},
    'q_z_ay': {'trunk': [(1024, 1024), (51, 1024)], 'heads': [(2048, 1024), (2048, 1024)]},
}


# SS-MVAE: (z, y) of p(x|z,y) are joined at once, and y of q(z|x,w,y) as it is.
SS_MVAE_MNIST = {
    'p_x_zy.left': {'trunk': [(74, 512), (512, 512)], 'heads': [(512, 392)]},
    'p_x_zy.right': {'trunk': [(74, 512), (512, 512)], 'heads': [(512, 392)]},
    'q_y_x': {
        'trunk': [(392, 512), (512, 512), (392, 512), (512, 512), (1024, 512)],
        'heads': [(512, 10)],
    },
    'q_z_xy': {
        'trunk': [(392, 512), (512, 512), (392, 512), (512, 512), (1034, 512)],
        'heads': [(512, 64), (512, 64)],
    },
}
SS_MVAE_RGBD = {
    'p_x_zy.depth': {'trunk': [(1075, 1024), (1024, 1024)], 'heads': [(1024, 4096)]},
    'p_x_zy.rgb': {'trunk': [(1075, 1024), (1024, 1024)], 'heads': [(1024, 4096)]},
    'q_y_x': {
        'trunk': [(4096, 1024), (1024, 1024), (4096, 1024), (1024, 1024), (2048, 1024)],
        'heads': [(1024, 51)],
    },
    'q_z_xy': {
        'trunk': [(4096, 1024), (1024, 1024), (4096, 1024), (1024, 1024), (2099, 1024)],
        'heads': [(1024, 1024), (1024, 1024)],
    },
}


# SDGM's are not in the appendix: as SS-MVAE's, all further inputs joined at once.
SDGM_MNIST = {
    'q_a_x': {'trunk': [(784, 512), (512, 512)], 'heads': [(512, 128), (512, 128)]},
    'q_y_ax': {'trunk': [(912, 512), (512, 512)], 'heads': [(512, 10)]},
    'q_z_axy': {'trunk': [(922, 512), (512, 512)], 'heads': [(512, 64), (512, 64)]},
    'p_a_zy': {'trunk': [(74, 512), (512, 512)], 'heads': [(512, 128), (512, 128)]},
    'p_x_azy': {'trunk': [(202, 512), (512, 512)], 'heads': [(512, 784)]},
}
SDGM_RGBD = {
    'q_a_x': {'trunk': [(8192, 1024), (1024, 1024)], 'heads': [(1024, 1024), (1024, 1024)]},
    'q_y_ax': {'trunk': [(9216, 1024), (1024, 1024)], 'heads': [(1024, 51)]},
    'q_z_axy': {'trunk': [(9267, 1024), (1024, 1024)], 'heads': [(1024, 1024), (1024, 1024)]},
    'p_a_zy': {'trunk': [(51, 1024), (1024, 1024)], 'heads': [(2048, 1024), (2048, 1024)]},
    'p_x_azy': {'trunk': [(2099, 1024), (1024, 1024)], 'heads': [(1024, 8192)]},
}


def paper_model(networks: str, name: str = 'ss_hmvae_kl') -> SemiSupervised:
    modalities = (
        {'left': 392, 'right': 392} if networks == 'mnist' else {'rgb': 4096, 'depth': 4096}
    )
    classes = 10 if networks == 'mnist' else 51
    settings = ModelSettings(name=name, networks=networks, modalities=modalities, classes=classes)
    with torch.device('meta'):  # shapes only: the RGB-D model has 52 million weights
        return build_model(settings)


@pytest.mark.parametrize(
    ('networks', 'name', 'table'),
    [
        ('mnist', 'ss_hmvae_kl', MNIST),
        ('rgbd', 'ss_hmvae_kl', RGBD),
        ('mnist', 'ss_mvae', SS_MVAE_MNIST),
        ('rgbd', 'ss_mvae', SS_MVAE_RGBD),
        ('mnist', 'sdgm', SDGM_MNIST),
        ('rgbd', 'sdgm', SDGM_RGBD),
    ],
)
def test_every_layer_is_the_tables(
    networks: str, name: str, table: dict[str, dict[str, list[tuple[int, int]]]]
) -> None:
    model = paper_model(networks, name)

    for part, layers in table.items():
        network = model.get_submodule(part)
        trunk = network.get_submodule('trunk')
        linear = [m for m in trunk.modules() if isinstance(m, nn.Linear)]
        heads = [m for m in network.children() if isinstance(m, nn.Linear)]
        norms = [m for m in trunk.modules() if isinstance(m, BatchNorm)]
        rectifiers = [m for m in trunk.modules() if isinstance(m, nn.ReLU)]
        assert [(m.in_features, m.out_features) for m in linear] == layers['trunk'], part
        assert [(m.in_features, m.out_features) for m in heads] == layers['heads'], part
        assert [m.num_features for m in norms] == [outputs for _, outputs in layers['trunk']], part
        assert len(rectifiers) == len(norms), part


@pytest.mark.parametrize(
    ('networks', 'parameters'),
    [
        # DkBR from d inputs has d·k + 2k parameters (the norm's scale and shift), a head of n units
        # on k inputs (k + 1)·n. Written out, in the order of MNIST and RGBD above:
        (
            'mnist',
            (2 * (392 + 2 + 512 + 2) + 1024 + 2) * 512 + 2 * 513 * 128
            + 2 * ((392 + 2 + 512 + 2) * 512 + 2 * 513 * 128)
            + 2 * ((128 + 2 + 512 + 2) * 512 + 513 * 392)
            + (128 + 2) * 512 + 513 * 10
            + (74 + 2 + 512 + 2) * 512 + 2 * 513 * 128
            + (138 + 2 + 512 + 2) * 512 + 2 * 513 * 64,
        ),
        (
            'rgbd',
            2 * (4096 + 2) * 1024 + 2 * 2049 * 1024
            + 2 * ((4096 + 2 + 1024 + 2) * 1024 + 2 * 1025 * 1024)
            + 2 * ((1024 + 2 + 1024 + 2) * 1024 + 1025 * 4096)
            + (1024 + 2) * 1024 + 1025 * 51
            + (51 + 2 + 1024 + 2) * 1024 + 2 * 2049 * 1024
            + (1024 + 2 + 51 + 2) * 1024 + 2 * 2049 * 1024,
        ),
    ],
)  # fmt: skip
def test_there_are_as_many_parameters_as_the_tables_say(networks: str, parameters: int) -> None:
    assert sum(p.numel() for p in paper_model(networks).parameters()) == parameters


@pytest.mark.parametrize('networks', ['mnist', 'rgbd'])
@pytest.mark.parametrize(
    ('name', 'classifier'),
    [
        ('m2', 'ss_mvae.q_y_x'),
        ('sdgm', 'q_y_ax'),
        ('ss_mvae', 'q_y_x'),
        ('ss_hmvae', 'q_y_a'),
        ('ss_hmvae_kl', 'q_y_a'),
    ],
)
def test_only_the_rgbd_classifier_drops_out(name: str, classifier: str, networks: str) -> None:
    model = paper_model(networks, name)

    layers = list(model.get_submodule(f'{classifier}.trunk.joint').children())
    dropping = [m for m in model.modules() if isinstance(m, nn.Dropout)]
    assert [m.p for m in dropping] == ([0.5] if networks == 'rgbd' else [])
    assert dropping == [m for m in layers[-1:] if isinstance(m, nn.Dropout)]  # before its head


def test_variance_is_softplus_and_never_under_its_floor() -> None:
    network = GaussianNetwork(Trunk({'x': 2}, 4, Layers(before=0)), 2)
    nn.init.eye_(network.variance.weight)
    nn.init.zeros_(network.variance.bias)

    variance = network(x=torch.tensor([[0.0, 1.0], [-200.0, 20.0]])).variance

    by_hand = [math.log(2), math.log(1 + math.e), 0.0, 20.0]
    assert variance.flatten().tolist() == pytest.approx([v + VARIANCE_FLOOR for v in by_hand])


def test_kl_and_its_gradient_are_finite_at_the_floor() -> None:
    network = GaussianNetwork(Trunk({'x': 2}, 4, Layers(before=0)), 2)
    nn.init.constant_(network.variance.bias, -200.0)
    x = torch.randn(8, 2)

    q = network(x=x)
    loss = -q.log_prob(x + 1).mean() - q.entropy().mean()
    loss.backward()

    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_inputs_are_joined_in_the_order_of_their_names() -> None:
    trunk = Trunk({'w': 1, 'x': 2}, 8, Layers(before=0))
    x, w = torch.tensor([[1.0, 2.0]]), torch.tensor([[9.0]])

    assert trunk(x=x, w=w).tolist() == [[9.0, 1.0, 2.0]]
    assert list(Trunk({'x': 2, 'w': 1}, 8, Layers(before=1)).branches) == ['w', 'x']


def test_batch_norm_of_one_item_uses_the_running_statistics_and_leaves_them() -> None:
    norm = BatchNorm(3)
    norm(torch.randn(64, 3) * 2 + 5)
    mean, variance = norm.running_mean.clone(), norm.running_var.clone()
    item = torch.tensor([[1.0, 2.0, 3.0]])

    normalised = norm(item)

    assert torch.allclose(normalised, (item - mean) / (variance + norm.eps).sqrt())
    assert torch.equal(norm.running_mean, mean)
    assert torch.equal(norm.running_var, variance)


def test_rows_beside_the_batch_are_normalised_by_it_and_leave_the_running_statistics() -> None:
    norm = BatchNorm(3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
    batch, others = torch.randn(8, 3), torch.randn(5, 3) + 9
    before = norm.running_mean.clone()

    with normalised_by_the_first(8, norm):
        together = norm(torch.cat([batch, others]))

    assert torch.equal(norm.running_mean, before)
    assert torch.allclose(together[:8], norm(batch), atol=1e-6)  # as if it had been alone
    spread = (batch.var(0, correction=0) + norm.eps).sqrt()
    assert torch.allclose(together[8:], norm.weight * (others - batch.mean(0)) / spread, atol=1e-4)


def test_after_an_error_beside_the_batch_all_rows_are_normalised_as_before() -> None:
    ours, torchs = BatchNorm(3), nn.BatchNorm1d(3)
    batch = torch.randn(4, 3)

    with pytest.raises(ZeroDivisionError), normalised_by_the_first(2, ours):
        raise ZeroDivisionError

    assert torch.equal(ours(batch), torchs(batch))


def test_batch_norm_of_two_items_is_torchs() -> None:
    ours, torchs = BatchNorm(3), nn.BatchNorm1d(3)
    batch = torch.randn(2, 3)

    assert torch.equal(ours(batch), torchs(batch))
    assert torch.equal(ours.running_var, torchs.running_var)
