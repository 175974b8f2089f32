# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What happens while a recording is played to the node, as the processes tell it to each other.

The player and the listener write one event a line, in JSON; the judge reads both. Times named
``wall`` are nanoseconds of the machine's clock, which all processes share.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mm_perception.observation import Modality


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra='forbid')

    wall: int = Field(description='When it happened.')


class Ready(_Event):
    """The process has found whom it waited for and begins."""

    event: Literal['ready'] = 'ready'


class Published(_Event):
    """The player has published a camera's image."""

    event: Literal['published'] = 'published'
    modality: Modality
    stamp: int = Field(description='In its header; 0 where the driver set none.')
    bag_time: int = Field(description="From the recording's start, ns.")
    late_ms: float = Field(0.0, description='How much later than due.')


class Lost(_Event):
    """The player has begun to keep a sensor's messages back."""

    event: Literal['lost'] = 'lost'
    modality: Modality


class Label(_Event):
    """A label with its circumstances has come from the node; ``wall`` is when it was received."""

    event: Literal['label'] = 'label'
    sent: int = Field(description='When the node published it.')
    label: str
    mode: str
    confidence: float
    stamps: dict[Modality, int] = Field(description='Of the frames that it was made from.')
    latency_ms: float = Field(description='Arrival of the newest of them to the label, as told.')
    inference_ms: float


class Said(_Event):
    """A label has come on the topic that robots listen to."""

    event: Literal['said'] = 'said'
    label: str


class Mode(_Event):
    """The node has changed its mode."""

    event: Literal['mode'] = 'mode'
    mode: str


class Status(_Event):
    """The node has said something about one of its parts on ``/diagnostics``."""

    event: Literal['status'] = 'status'
    subject: str = Field(description='``rgb``, ``depth``, ``model``, ``device``, ``latency``.')
    level: int = Field(description='0 OK, 1 WARN, 2 ERROR.')
    message: str
    values: dict[str, str] = Field(default_factory=dict)


class Ended(_Event):
    """The player has played everything."""

    event: Literal['ended'] = 'ended'


Event = Ready | Published | Lost | Label | Said | Mode | Status | Ended

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator='event')])


def read_event(line: str | bytes) -> Event:
    """Read one line.

    Raises:
        ValueError: It is no event.

    """
    return _ADAPTER.validate_json(line)


def write_event(event: Event) -> str:
    """Write an event as one line, without its end."""
    return event.model_dump_json()
