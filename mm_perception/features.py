# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The backbone: a torchvision classifier cut off at one layer, whose values are the features.

VGG16's fc1 after its ReLU by default, 4,096 values ≥ 0, as the paper has it (§4.1); any other
torchvision classifier by name and layer, for robots that cannot afford VGG16.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Literal

import torch
import torchvision
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from mm_perception.errors import SettingsError, WeightsError
from mm_perception.tracing import tracing

# The layer to cut at where none is given: the last one before the classifier whose values are ≥ 0.
_DEFAULT_LAYERS = {
    'alexnet': 'classifier.2',
    'densenet': 'relu',
    'googlenet': 'avgpool',
    'resnet': 'avgpool',
    'squeezenet': 'features',
    'vgg': 'classifier.1',
}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as torchvision trained
_CHUNK = 1 << 22


class BackboneSettings(BaseModel):
    """Which network gives the features, and with which weights."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    name: str = Field('vgg16', description='A torchvision classifier.')
    layer: str | None = Field(
        None, description='Its layer, as torchvision names graph nodes; None: by the network.'
    )
    weights: Literal['imagenet', 'file', 'random'] = Field(
        'imagenet',
        description="torchvision's ImageNet weights in the torch cache, a file, or random ones.",
    )
    seed: int = Field(0, description='Of random weights.')
    sha256: str | None = Field(
        None, description='Of the weights trained with: the file, or the random values themselves.'
    )


class Backbone(nn.Module):
    """A frozen network from images to features.

    Attributes:
        sha256: Fingerprint of its weights; see ``BackboneSettings.sha256``.
        dtype: What the network computes in.

    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, sha256: str) -> None:
        super().__init__()
        self.network = network
        self.sha256 = sha256
        self.dtype = torch.float32
        self._wanted: Callable[[], bool] = _always
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):  # those that take the time
                layer.register_forward_pre_hook(self._ask)
        self.register_buffer('mean', torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer('std', torch.tensor(_STD).view(1, 3, 1, 1))

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.mean.device

    def forward(self, images: Tensor) -> Tensor:
        """Compute features.

        Args:
            images: [N, H, W, 3] uint8, RGB.

        Returns:
            [N, D] float32 ≥ 0; a layer with spatial extent is averaged over it.

        """
        # A permuted NHWC tensor is already in channels_last: nothing is copied here.
        x = images.permute(0, 3, 1, 2).float().div_(255)
        x = ((x - self.mean) / self.std).to(self.dtype)
        values: Tensor = self.network(x)['features']
        if values.ndim > 2:  # noqa: PLR2004 - [N, C, H, W]
            values = functional.adaptive_avg_pool2d(values, 1)
        return values.flatten(1).float()

    def forward_while(self, wanted: Callable[[], bool], images: Tensor) -> Tensor | None:
        """Compute features as long as they are wanted, which is asked before every layer.

        Returns:
            As ``forward``; None when they are not wanted any more.

        """
        self._wanted = wanted
        try:
            features: Tensor = self(images)
        except _UnwantedError:
            return None
        finally:
            self._wanted = _always
        return features

    def copy(self) -> Backbone:
        """Copy network and weights."""
        return deepcopy(self).eval()  # a copied graph is in ``train`` mode, whatever it was before

    def converted(self, dtype: torch.dtype) -> Backbone:
        """Copy it, to compute in another type; its input and output stay as they are."""
        copy = self.copy()
        copy.network.to(dtype)
        copy.dtype = dtype
        return copy

    def _ask(self, *_: object) -> None:
        if not self._wanted():
            raise _UnwantedError


class _UnwantedError(Exception):
    """Ends a computation whose result nobody waits for."""


def _always() -> bool:
    return True


def load_backbone(settings: BackboneSettings, path: Path | None = None) -> Backbone:
    """Build a backbone and give it its weights; nothing is ever downloaded.

    Args:
        settings: What to build.
        path: The weights file (``.safetensors``, or torchvision's ``.pth``) where the settings
            ask for a file; with ImageNet weights it stands for torch's cache.

    Raises:
        SettingsError: Unknown network or layer, or a layer with negative values.
        WeightsError: The file is missing, is another than trained with, or does not fit.

    """
    with tracing():
        return _load(settings, path)


def _load(settings: BackboneSettings, path: Path | None) -> Backbone:
    network = _network(settings)
    if settings.weights == 'random':
        source = 'random weights of this torch'
        cut = _cut(network, settings)
        fingerprint = _sha256_of_values(cut)
    else:
        file = path or cached_weights(settings)
        source = str(file)
        _load_weights(network, file, settings)
        cut = _cut(network, settings)
        fingerprint = sha256_of(file)
    if settings.sha256 not in (None, fingerprint):
        raise WeightsError(
            f'{source}: not the weights that the bundle was trained with '
            f'(SHA-256 {fingerprint[:12]}…, not {settings.sha256:.12}…); use those'
        )
    backbone = Backbone(cut.requires_grad_(False), fingerprint)
    backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub
    _check_not_negative(backbone, settings)
    return backbone


def dimension(backbone: Backbone, size: int) -> int:
    """How many features the backbone gives for images of size × size pixels."""
    with torch.inference_mode():
        image = torch.zeros(1, size, size, 3, dtype=torch.uint8, device=backbone.device)
        return int(backbone(image).shape[1])


def sha256_of(path: Path) -> str:
    """Fingerprint a file."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _sha256_of_values(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy())
    return digest.hexdigest()


def default_layer(name: str) -> str:
    """Name the layer that a network is cut at where none is given.

    Raises:
        SettingsError: No default is known for this network.

    """
    for family, layer in _DEFAULT_LAYERS.items():
        if name.startswith(family):
            return layer
    raise SettingsError(f'backbone {name}: has no default layer; give one whose values are ≥ 0')


def _network(settings: BackboneSettings) -> nn.Module:
    names = torchvision.models.list_models(module=torchvision.models)
    if settings.name not in names:
        raise SettingsError(
            f'backbone {settings.name}: not a torchvision classifier; one of {", ".join(names)}'
        )
    # Networks with auxiliary heads take other weights than they build without; none is needed.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network: nn.Module = torchvision.models.get_model(settings.name, weights=None)
    if settings.weights != 'random' and 'transform_input' in vars(network):
        vars(network)['transform_input'] = True  # as torchvision does for weights that it loads
    return network


def _cut(network: nn.Module, settings: BackboneSettings) -> nn.Module:
    layer = settings.layer or default_layer(settings.name)
    try:
        cut: nn.Module = create_feature_extractor(network, {layer: 'features'})
    except ValueError as error:
        nodes = ', '.join(get_graph_node_names(network)[1][-12:])
        raise SettingsError(
            f'backbone {settings.name}: has no layer {layer!r}; the last ones are {nodes}'
        ) from error
    return cut.eval()


def cached_weights(settings: BackboneSettings) -> Path:
    """Find torchvision's ImageNet weights where torch keeps what it has downloaded."""
    weights = torchvision.models.get_model_weights(settings.name)['DEFAULT']
    path = Path(torch.hub.get_dir(), 'checkpoints', weights.url.rsplit('/', 1)[-1])
    if not path.is_file():
        fetch = f"import torchvision.models as m; m.{settings.name}(weights='DEFAULT')"
        raise WeightsError(
            f'{path}: the ImageNet weights of {settings.name} are not in the torch cache; where '
            f'there is a network, `python3 -c "{fetch}"` puts them there; or give a file '
            '(--backbone-weights, or the parameter backbone_weights)'
        )
    return path


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a weights file, ``.safetensors`` or torchvision's ``.pth``, of which nothing is run.

    Raises:
        WeightsError: It is missing, or holds anything but tensors by name.

    """
    if not path.is_file():
        raise WeightsError(f'{path}: no such weights file')
    try:
        if path.suffix == '.safetensors':
            return dict(load_file(path))
        state = torch.load(path, map_location='cpu', weights_only=True)
        return {str(name): value.float() for name, value in state.items()}
    except (pickle.UnpicklingError, AttributeError) as error:
        raise WeightsError(
            f'{path}: does not fit: it is no weights file, or holds more than tensors'
        ) from error
    except Exception as error:  # torch's reading of damaged bytes ends in errors of every kind
        raise WeightsError(f'{path}: does not fit: {_first_line(error)}') from error


def _load_weights(network: nn.Module, path: Path, settings: BackboneSettings) -> None:
    state = read_weights(path)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(
            f'{path}: does not fit the backbone {settings.name}: {_first_line(error)}'
        ) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _check_not_negative(backbone: Backbone, settings: BackboneSettings) -> None:
    """Refuse a layer without a ReLU: the model's decoders speak of non-negative features."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (1, 148, 148, 3), dtype=torch.uint8, generator=generator)
    with torch.inference_mode():
        lowest = float(backbone(noise).min())
    if lowest < 0:
        raise SettingsError(
            f'backbone {settings.name}: layer {settings.layer or default_layer(settings.name)!r} '
            f'gives negative values ({lowest:.3g}); choose one after a ReLU'
        )
