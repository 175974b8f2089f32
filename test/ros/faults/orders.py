# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a camera process is told to do, and what it tells of every image that it sends."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from mm_perception.observation import Modality

RATE = 15.0
"""Images a second of a camera that is well."""

WELL_ENCODED = {
    Modality.RGB: ('rgb8', 'bgr8', 'rgba8', 'mono8'),
    Modality.DEPTH: ('16UC1', 'mono16', '32FC1'),
}


class Orders(BaseModel):
    """All that can be wrong with a camera; as made, nothing is.

    Attributes:
        silent: It sends nothing.
        hold: It takes images and sends none; those go out all at once when it is told other orders.
        rate: Images a second.
        picture: What it shows in place of the bag's pictures: the last of them again, black, white,
            one colour, no depth, depth that is NaN or the same everywhere.
        scale: Every so many rows and columns of the picture.
        encoding: What the message says; where the modality has it, the pixels are changed to it.
        step: Rows as they are, with a margin, or of a number of bytes that cannot be right.
        data: As it is, none, or (of compressed images) random bytes.
        stamp: The time of taking, or 0 as some drivers have it.
        offset: Seconds added to the stamps.
        drift: Seconds added to them each second.
        latency: Seconds from taking an image to sending it.
        copies: How often each is sent.
        swap: Of every two the second goes first.

    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    silent: bool = False
    hold: bool = False
    rate: float = RATE
    picture: Literal['bag', 'frozen', 'black', 'white', 'colour', 'zero', 'nan', 'level'] = 'bag'
    scale: int = 1
    encoding: str | None = None
    step: Literal['tight', 'margin', 'short', 'long'] = 'tight'
    data: Literal['whole', 'none', 'garbage'] = 'whole'
    stamp: Literal['taken', 'zero'] = 'taken'
    offset: float = 0.0
    drift: float = 0.0
    latency: float = 0.0
    copies: int = 1
    swap: bool = False

    def good(self, modality: Modality) -> bool:
        """Whether a label may be made of its images; of a frozen one's as long as it is fresh."""
        return (
            self.picture in ('bag', 'frozen')
            and self.encoding in (None, *WELL_ENCODED[modality])
            and self.step in ('tight', 'margin')
            and self.data == 'whole'
        )


class Shot(BaseModel):
    """An image is being sent.

    Attributes:
        modality: By whom.
        stamp: In its header, ns.
        wall: When, in ns of the machine's clock; told before, so that a process that is killed
            has told of all that it sent.
        fresh: When what it shows was new: earlier than ``wall`` for a repetition, and for an image
            that was held back.
        good: Whether a label may be made of it.
        rate: Images a second by their stamps, which a node learns the period from.

    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    modality: Modality
    stamp: int
    wall: int
    fresh: int
    good: bool
    rate: float = RATE
