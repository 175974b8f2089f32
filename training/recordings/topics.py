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
from typing import TYPE_CHECKING, Any, TypeVar

from mm_perception.depth.registration import View, misregistration
from mm_perception.errors import RecordingError
from mm_perception.observation import Modality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mm_perception.depth.registration import Intrinsics

Camera = TypeVar('Camera')

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
    winners = [image for image in candidates if image._rank == best]  # noqa: SLF001 - as above
    if len(winners) > 1:
        raise RecordingError(
            f'{path}: more than one topic holds {modality} images: '
            f'{", ".join(map(str, winners))}; choose one with {option}'
        )
    return winners[0]


def unregistered(
    rgb: ImageTopic, depth: ImageTopic, cameras: Mapping[str, Intrinsics]
) -> str | None:
    """Why the depth image does not seem to be registered to the colour image, or None.

    Args:
        rgb: The colour topic.
        depth: The depth topic.
        cameras: By the name of the CameraInfo topic.

    """
    views = [
        View(topic.frame_id, topic.size, camera_of(topic.name, cameras)) for topic in (rgb, depth)
    ]
    return misregistration(*views)


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


def camera_of(image_topic: str, cameras: Mapping[str, Camera]) -> Camera | None:
    """The camera whose topic shares the longest part of its name with the image's."""
    shared = {topic: _shared_parts(topic, image_topic) for topic in cameras}
    longest = max(shared.values(), default=0)
    nearest = [topic for topic, parts in shared.items() if parts == longest]
    return cameras[nearest[0]] if longest and len(nearest) == 1 else None


def _shared_parts(one: str, other: str) -> int:
    count = 0
    for a, b in zip(one.strip('/').split('/'), other.strip('/').split('/'), strict=False):
        if a != b:
            break
        count += 1
    return count
