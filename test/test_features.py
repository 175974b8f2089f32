# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torchvision.models.feature_extraction import create_feature_extractor

from mm_perception.errors import SettingsError, WeightsError
from mm_perception.features import (
    BackboneSettings,
    default_layer,
    dimension,
    load_backbone,
    sha256_of,
)

SMALL = {'name': 'squeezenet1_0', 'weights': 'random'}
SQUEEZENET = 'weights/squeezenet1_0_imagenet.fp16.safetensors'


def images(count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 148, 148, 3), dtype=torch.uint8, generator=generator)


def test_default_is_vgg16_fc1_after_its_relu() -> None:
    backbone = load_backbone(BackboneSettings(weights='random'))
    with torch.inference_mode():
        features = backbone(images())
        network = torchvision.models.vgg16(weights=None).eval()
        ours = backbone.network.state_dict()
        network.load_state_dict(ours, strict=False)
        x = images().permute(0, 3, 1, 2).float() / 255
        x = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
            [0.229, 0.224, 0.225]
        ).view(3, 1, 1)
        fc1 = network.classifier[:2](network.avgpool(network.features(x)).flatten(1))
    assert features.shape == (2, 4096)
    assert features.min() >= 0
    torch.testing.assert_close(features, fc1, rtol=1e-3, atol=1e-5)  # channels_last sums otherwise


def test_random_weights_are_the_same_for_the_same_seed_only() -> None:
    one, again = (load_backbone(BackboneSettings(**SMALL, seed=3)) for _ in range(2))
    other = load_backbone(BackboneSettings(**SMALL, seed=4))
    assert one.sha256 == again.sha256 != other.sha256
    assert torch.equal(one(images()), again(images()))
    state = torch.get_rng_state()
    load_backbone(BackboneSettings(**SMALL, seed=5))
    assert torch.equal(state, torch.get_rng_state())  # the caller's random state is its own


def test_weights_other_than_trained_with_are_refused() -> None:
    trained = load_backbone(BackboneSettings(**SMALL, seed=3)).sha256
    with pytest.raises(WeightsError, match='not the weights that the bundle was trained with'):
        load_backbone(BackboneSettings(**SMALL, seed=4, sha256=trained))
    assert load_backbone(BackboneSettings(**SMALL, seed=3, sha256=trained)).sha256 == trained


def test_real_weights_from_a_file_recognise_a_real_green_apple(shared_data: Path) -> None:
    path = shared_data / SQUEEZENET
    settings = BackboneSettings(name='squeezenet1_0', weights='file', layer='classifier.3')
    backbone = load_backbone(settings, path)
    assert backbone.sha256 == sha256_of(path)
    crop = cv2.imread(str(shared_data / 'uw_rgbd/apple/apple_3/apple_3_4_165_crop.png'))
    picture = cv2.cvtColor(
        cv2.resize(crop, (224, 224), interpolation=cv2.INTER_CUBIC), cv2.COLOR_BGR2RGB
    )
    with torch.inference_mode():
        scores = backbone(torch.from_numpy(picture)[None])[0]
    assert int(scores.argmax()) == 948  # ImageNet's Granny Smith


@pytest.mark.parametrize(
    ('name', 'size'),
    [('squeezenet1_0', 512), ('resnet18', 512), ('densenet121', 1024), ('alexnet', 4096)],
)
def test_smaller_networks_give_features_that_are_not_negative(name: str, size: int) -> None:
    backbone = load_backbone(BackboneSettings(name=name, weights='random'))
    assert dimension(backbone, 148) == size
    assert backbone(images()).min() >= 0


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'name': 'vgg17'}, 'vgg17: not a torchvision classifier'),
        ({'name': 'mobilenet_v3_small'}, 'has no default layer'),
        ({'name': 'squeezenet1_0', 'layer': 'fc9'}, "no layer 'fc9'; the last ones are"),
        ({'name': 'resnet18', 'layer': 'fc'}, 'gives negative values'),
    ],
)
def test_network_that_cannot_serve_is_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_backbone(BackboneSettings(**settings, weights='random'))


def test_missing_weights_say_where_to_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    with pytest.raises(WeightsError, match=r'squeezenet1_0-\w+\.pth.*not in the torch cache'):
        load_backbone(BackboneSettings(name='squeezenet1_0', weights='imagenet'))
    with pytest.raises(WeightsError, match='no such weights file'):
        load_backbone(BackboneSettings(name='squeezenet1_0', weights='file'), tmp_path / 'none.pth')


def test_torch_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    network = torchvision.models.squeezenet1_0(weights=None)
    folder = tmp_path / 'hub' / 'checkpoints'
    folder.mkdir(parents=True)
    torch.save(network.state_dict(), folder / 'squeezenet1_0-b66bff10.pth')
    backbone = load_backbone(BackboneSettings(name='squeezenet1_0', weights='imagenet'))
    expected = network.eval().features[0].weight
    assert torch.equal(backbone.network.state_dict()['features.0.weight'], expected)


def test_file_that_is_no_weights_is_refused_and_never_executed(tmp_path: Path) -> None:
    settings = BackboneSettings(name='squeezenet1_0', weights='file')
    wrong = tmp_path / 'wrong.safetensors'
    save_file({'features.0.weight': torch.zeros(3)}, wrong)
    evil = tmp_path / 'evil.pth'
    torch.save({'x': Trap(tmp_path / 'sprung')}, evil)
    broken = tmp_path / 'broken.safetensors'
    broken.write_bytes(wrong.read_bytes()[:-5])
    for path in (wrong, evil, broken):
        with pytest.raises(WeightsError, match=f'{path}: does not fit') as caught:
            load_backbone(settings, path)
        assert '\n' not in str(caught.value)
    assert not (tmp_path / 'sprung').exists()


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_networks_whose_weights_want_other_inputs_get_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = torchvision.models.googlenet(weights=None, init_weights=False)
    save_file(network.state_dict(), tmp_path / 'weights.safetensors')
    settings = BackboneSettings(name='googlenet', weights='file')
    backbone = load_backbone(settings, tmp_path / 'weights.safetensors')
    network.transform_input = True  # as torchvision has it with ImageNet's weights
    layer = default_layer('googlenet')
    expected = create_feature_extractor(network.eval(), {layer: 'features'})
    seen: list[torch.Tensor] = []
    backbone.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        features = backbone(torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8))
        torch.testing.assert_close(features, expected(seen[0])['features'].flatten(1))
