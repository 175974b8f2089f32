# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which of a recording's topics are the camera's two eyes.

The rule, for a topic that is not named by the user. An image topic is depth when the encoding of
its first message is a depth encoding, else RGB. Among the candidates of a modality

1. a topic that carries the same images as another, compressed, gives way to it;
2. depth: 16UC1 and 32FC1 come before mono16, which infrared pictures use too;
   RGB: colour comes before grey;
3. pictures of the scene come before infrared, annotated or re-projected ones, by their names;
4. depth: registered (``aligned``, ``registered``, ``depth_to_rgb``) comes before raw.

If that leaves more than one, the user has to choose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mm_perception.errors import RecordingError
from mm_perception.observation import Modality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'

OPTIONS = {Modality.RGB: '--rgb-topic', Modality.DEPTH: '--depth-topic'}
"""The option with which a user names a topic."""

_DEPTH_ENCODINGS = ('16UC1', '32FC1', 'mono16')
_GREY_ENCODINGS = ('mono8', '8UC1', 'y8')
_ASIDE = re.compile(
    r'(?:^|[/_])(?:ir|infra\d?|infrared|annotated|(?:rgb|color)_to_depth)(?:$|[/_])'
)
_REGISTERED = re.compile(r'registered|aligned|depth_to_(?:rgb|color)')
_TRANSPORTS = ('compressedDepth', 'compressed')  # in the order of preference, after raw
_PNG = b'\x89PNG\r\n\x1a\n'
_PNG_BITS = 24  # where a PNG file holds its bit depth
_DEPTH_BITS = 16
_SAME_LENS = 0.02  # focal lengths and centres that differ by less, of the image width, are the same


@dataclass(frozen=True)
class ImageTopic:
    """What the first message of an image topic tells.

    Attributes:
        name: The topic.
        encoding: The pixels' encoding; of a compressed image what its format tells of it.
        frame_id: The optical frame.
        size: Width and height in pixels; None when compressed.

    """

    name: str
    encoding: str
    frame_id: str
    size: tuple[int, int] | None

    @classmethod
    def of(cls, name: str, msg: Any) -> ImageTopic:
        """Describe a topic by its first Image or CompressedImage message."""
        frame_id = str(msg.header.frame_id)
        if hasattr(msg, 'encoding'):
            return cls(name, str(msg.encoding), frame_id, (int(msg.width), int(msg.height)))
        return cls(name, _compressed_encoding(str(msg.format), msg.data), frame_id, None)

    @property
    def modality(self) -> Modality:
        """Depth where the encoding says so, else RGB."""
        return Modality.DEPTH if self.encoding in _DEPTH_ENCODINGS else Modality.RGB

    def __str__(self) -> str:
        return f'{self.name} ({self.encoding})'

    @property
    def _rank(self) -> tuple[bool, bool, bool]:
        """Less is better: rules 2 to 4."""
        aside = _ASIDE.search(self.name) is not None
        if self.modality is Modality.DEPTH:
            return self.encoding == 'mono16', aside, not _REGISTERED.search(self.name)
        return self.encoding in _GREY_ENCODINGS, aside, False


@dataclass(frozen=True)
class Lens:
    """How a camera projects, from its CameraInfo.

    Attributes:
        width: Image width in pixels.
        intrinsics: 3x3 matrix K in pixels.

    """

    width: int
    intrinsics: NDArray[np.float64]

    @classmethod
    def of(cls, msg: Any) -> Lens:
        """Read a CameraInfo message; ROS 1 writes K where ROS 2 writes k."""
        intrinsics = msg.k if hasattr(msg, 'k') else msg.K
        return cls(int(msg.width), np.asarray(intrinsics, np.float64).reshape(3, 3))

    def is_same(self, other: Lens) -> bool:
        """Whether both see the same thing at the same place of their images; True if unknown."""
        if not (self.width and other.width and self.intrinsics.any() and other.intrinsics.any()):
            return True
        here, there = self.intrinsics / self.width, other.intrinsics / other.width
        return bool(np.abs(here - there)[:2].max() < _SAME_LENS)


def choose_topic(
    path: Path, images: Sequence[ImageTopic], modality: Modality, wanted: str | None
) -> ImageTopic:
    """Find the topic of one modality.

    Args:
        path: The recording, for errors.
        images: All its image topics.
        modality: RGB or depth.
        wanted: The topic that the user named, if any.

    Raises:
        RecordingError: No topic fits, or more than one does, or the named one is not there.

    """
    option = OPTIONS[modality]
    seen = f'image topics: {", ".join(map(str, images)) or "none"}'
    if wanted is not None:
        named = [image for image in images if image.name == wanted]
        if not named:
            raise RecordingError(f'{path}: no images on {wanted} ({option}); {seen}')
        return named[0]
    candidates = _without_copies([image for image in images if image.modality is modality])
    if not candidates:
        raise RecordingError(f'{path}: no {modality} images; {seen}; name a topic with {option}')
    best = min(image._rank for image in candidates)  # noqa: SLF001 - its own module
    winners = [image for image in candidates if image._rank == best]  # noqa: SLF001
    if len(winners) > 1:
        raise RecordingError(
            f'{path}: more than one topic holds {modality} images: '
            f'{", ".join(map(str, winners))}; choose one with {option}'
        )
    return winners[0]


def unregistered(rgb: ImageTopic, depth: ImageTopic, lenses: Mapping[str, Lens]) -> str | None:
    """Why the depth image does not seem to be registered to the colour image, or None.

    Args:
        rgb: The colour topic.
        depth: The depth topic.
        lenses: By the name of the CameraInfo topic.

    """
    if rgb.frame_id and depth.frame_id and rgb.frame_id != depth.frame_id:
        return f'their frames are {rgb.frame_id!r} and {depth.frame_id!r}'
    lens_of_rgb, lens_of_depth = _lens(rgb.name, lenses), _lens(depth.name, lenses)
    if lens_of_rgb and lens_of_depth and not lens_of_rgb.is_same(lens_of_depth):
        return 'their camera_info differ'
    return None


def _compressed_encoding(data_format: str, data: Any) -> str:
    encoding, separator, _ = data_format.partition(';')
    if separator or 'compressedDepth' in data_format:
        return encoding.strip() if separator else '16UC1'
    # The format is then the file's alone; of the usual files only a 16-bit PNG holds depth.
    head = bytes(data[: _PNG_BITS + 1])
    if head.startswith(_PNG) and head[_PNG_BITS:] == bytes([_DEPTH_BITS]):
        return '16UC1'
    return encoding.strip() or 'unnamed'


def _without_copies(images: Sequence[ImageTopic]) -> list[ImageTopic]:
    """Rule 1: of several transports of one image the first of raw, compressedDepth, compressed."""
    best: dict[str, tuple[int, ImageTopic]] = {}
    for image in images:
        base, _, last = image.name.rpartition('/')
        transport = _TRANSPORTS.index(last) + 1 if last in _TRANSPORTS else 0
        source = base if transport else image.name
        if source not in best or transport < best[source][0]:
            best[source] = (transport, image)
    return [image for _, image in best.values()]


def _lens(image_topic: str, lenses: Mapping[str, Lens]) -> Lens | None:
    """The lens whose topic shares the longest part of its name with the image's."""
    shared = {topic: _shared_parts(topic, image_topic) for topic in lenses}
    longest = max(shared.values(), default=0)
    nearest = [topic for topic, parts in shared.items() if parts == longest]
    return lenses[nearest[0]] if longest and len(nearest) == 1 else None


def _shared_parts(one: str, other: str) -> int:
    count = 0
    for a, b in zip(one.strip('/').split('/'), other.strip('/').split('/'), strict=False):
        if a != b:
            break
        count += 1
    return count
