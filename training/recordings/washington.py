# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The Washington RGB-D Object Dataset: folders of crops, and its ten official trials.

Layout: ``CATEGORY/CATEGORY_i/CATEGORY_i_SEQUENCE_FRAME_crop.png`` and ``…_depthcrop.png``
(millimetres, 0 where unknown), beside masks and positions that are not read.
Source: Lai, Bo, Ren, Fox: A Large-Scale Hierarchical Multi-View RGB-D Object Dataset, ICRA 2011.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from mm_perception.errors import ImageError, RecordingError, SettingsError
from mm_perception.images import frame_from_message
from mm_perception.observation import Frame, Modality, Observation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_NAME = re.compile(r'(?P<instance>(?P<category>.+)_\d+)_(?P<sequence>\d+)_(?P<frame>\d+)')
_INSTANCE = re.compile(r'(.+)_\d+')
_TRIAL = re.compile(r'\*+\s*trial\s*(\d{1,9})\s*\*+', re.IGNORECASE)
_RGB_SUFFIX, _DEPTH_SUFFIX = '_crop.png', '_depthcrop.png'
_FRAME_NS = round(1e9 / 30)  # the Kinect's rate; the data set tells no time of capture
_SEQUENCE_NS = 3600 * 10**9  # far apart, so that sequences never mix


@dataclass(frozen=True)
class Crop:
    """One object in one video frame.

    Attributes:
        category: Its class, ``coffee_mug``.
        instance: The object, ``coffee_mug_3``.
        sequence: Which video of it; the camera's height differs.
        frame: Number of the video frame, from 1.
        rgb: Path of the colour crop.
        depth: Path of the depth crop.

    """

    category: str
    instance: str
    sequence: int
    frame: int
    rgb: Path
    depth: Path

    @property
    def stamp(self) -> int:
        """A time in ns for it: in the order of the videos, which never mix."""
        return self.sequence * _SEQUENCE_NS + self.frame * _FRAME_NS

    def observation(self) -> Observation:
        """Read both crops; the stamp orders them as the videos do, the frame_id is the file's stem.

        Raises:
            RecordingError: A file cannot be read, or the two differ in size.

        """
        rgb, depth = self._frame(Modality.RGB, self.rgb), self._frame(Modality.DEPTH, self.depth)
        if rgb.image.shape[:2] != depth.image.shape[:2]:
            raise RecordingError(
                f'{self.depth}: its size {depth.image.shape[:2]} is not that of {self.rgb.name}, '
                f'{rgb.image.shape[:2]}; unpack the data set again'
            )
        return Observation.of(rgb, depth)

    def _frame(self, modality: Modality, path: Path) -> Frame:
        try:
            data = np.frombuffer(path.read_bytes(), np.uint8)
            # A PNG file is what a compressed image message holds, and is read the same way.
            header = SimpleNamespace(frame_id=path.name.removesuffix('.png'))
            message = SimpleNamespace(header=header, format='png', data=data)
            return frame_from_message(message, modality, self.stamp)
        except (ImageError, OSError) as error:
            raise RecordingError(
                f'{path}: cannot be read: {error}; unpack the data set again'
            ) from error


def find_crops(root: Path, every: int = 1) -> list[Crop]:
    """List the crops, in the order of the videos.

    Args:
        root: The folder that holds one folder a category, ``rgbd-dataset``.
        every: Take one crop of this many video frames, the first there is: with 5 these are the
            frames 1, 6, 11, … of the published evaluation.

    Raises:
        RecordingError: The folder is not laid out so, or colour crops have no depth crop.
        SettingsError: ``every`` is less than 1.

    """
    if every < 1:
        raise SettingsError(f'every: {every} is not allowed; 1 or more')
    folders = _instance_folders(root)
    crops = [crop for folder in folders for crop in _crops(folder)]
    if not crops:
        raise RecordingError(f'{root}: no *{_RGB_SUFFIX} in its instance folders')
    _check_depth(crops)
    by_instance = itertools.groupby(crops, key=lambda crop: crop.rgb.parent)
    return [crop for _, group in by_instance for crop in thinned(list(group), every)]


def read_trials(path: Path) -> list[frozenset[str]]:
    """Read the data set's ``testinstance_ids.txt``: the instances that each trial holds out.

    A trial is a line ``****** trial N ******`` and then an instance a line, one of each category.

    Raises:
        RecordingError: The file is missing or laid out otherwise.

    """
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f'{path}: cannot be read: {error}') from error
    trials: list[list[str]] = []
    for number, line in enumerate(map(str.strip, lines), 1):
        title = _TRIAL.fullmatch(line)
        if title and int(title[1]) == len(trials) + 1:
            trials.append([])
        elif line and trials and _INSTANCE.fullmatch(line):
            trials[-1].append(line)
        elif line:
            raise RecordingError(
                f'{path}:{number}: {line[:40]!r} is neither the title of trial {len(trials) + 1} '
                "nor an instance; take the data set's own testinstance_ids.txt"
            )
    _check_trials(path, trials)
    return [frozenset(trial) for trial in trials]


def _check_trials(path: Path, trials: Sequence[Sequence[str]]) -> None:
    if not trials:
        raise RecordingError(f"{path}: no trial; take the data set's own testinstance_ids.txt")
    every_category = {_category(instance) for trial in trials for instance in trial}
    for number, trial in enumerate(trials, 1):
        if sorted(map(_category, trial)) != sorted(every_category):
            raise RecordingError(
                f'{path}: trial {number} does not hold out one instance of each of the '
                f"{len(every_category)} categories; take the data set's own testinstance_ids.txt"
            )


def _category(instance: str) -> str:
    return instance.rpartition('_')[0]


def _instance_folders(root: Path) -> list[Path]:
    if not root.is_dir():
        raise RecordingError(f'{root}: there is no such folder')
    folders = _folders_like_the_layout(root)
    if folders:
        return folders
    deeper = [child for child in _folders(root) if _folders_like_the_layout(child)]
    if deeper:
        hint = f'give {deeper[0]}'
    elif any(_INSTANCE.fullmatch(f.name) and _is_of(f, root.name) for f in _folders(root)):
        hint = f'give {root.resolve().parent}'
    else:
        hint = 'unpack rgbd-dataset_*.tar of the data set there'
    raise RecordingError(f'{root}: no folders CATEGORY/CATEGORY_<number> in it; {hint}')


def _folders_like_the_layout(root: Path) -> list[Path]:
    """All CATEGORY/CATEGORY_i, the categories by name and their instances by number."""
    found = [
        folder
        for category in _folders(root)
        for folder in _folders(category)
        if _is_of(folder, category.name)
    ]
    return sorted(found, key=lambda f: (f.parent.name, int(f.name.rpartition('_')[2])))


def _is_of(folder: Path, category: str) -> bool:
    name, _, number = folder.name.rpartition('_')
    return name == category and number.isdecimal()


def _folders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir())


def _crops(folder: Path) -> list[Crop]:
    crops = [_crop(path, folder.name) for path in folder.glob(f'*{_RGB_SUFFIX}')]
    return sorted(crops, key=lambda crop: (crop.sequence, crop.frame))


def _crop(rgb: Path, instance: str) -> Crop:
    stem = rgb.name.removesuffix(_RGB_SUFFIX)
    parts = _NAME.fullmatch(stem)
    if parts is None or parts['instance'] != instance:
        raise RecordingError(
            f'{rgb}: not named {instance}_<sequence>_<frame>{_RGB_SUFFIX}; move it away'
        )
    depth = rgb.with_name(stem + _DEPTH_SUFFIX)
    return Crop(
        parts['category'], instance, int(parts['sequence']), int(parts['frame']), rgb, depth
    )


def _check_depth(crops: Sequence[Crop]) -> None:
    """Refuse colour without depth: what a test set lacks would go unnoticed in its score."""
    missing = [crop for crop in crops if not crop.depth.is_file()]
    if not missing:
        return
    others = f', and those of {len(missing) - 1} other colour crops' if missing[1:] else ''
    raise RecordingError(
        f'{missing[0].rgb}: its {missing[0].depth.name} is missing{others} '
        f'({len(missing)} of {len(crops)}); unpack the data set again'
    )


def thinned(crops: Sequence[Crop], every: int) -> Iterator[Crop]:
    """Give the first crop of each ``every`` consecutive frame numbers, counted from 1."""
    seen: set[tuple[int, int]] = set()
    for crop in crops:
        group = (crop.sequence, (crop.frame - 1) // every)
        if group not in seen:
            seen.add(group)
            yield crop
