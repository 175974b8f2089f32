# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a recorded topic's messages are made of, as an MCAP file of ROS 2 has to say it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from rosbags.convert.converter import is_same_wireformat
from rosbags.interfaces import ConnectionExtRosbag2, MessageDefinitionFormat, Qos
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

from training.recordings.storage import ROS1, ROS2

if TYPE_CHECKING:
    from rosbags.interfaces import Connection


class Definition(NamedTuple):
    """How a topic is announced.

    Attributes:
        text: The message's definition, with those that it is made of.
        digest: Its RIHS01 hash.
        qos: What the publishers offered.

    """

    text: str
    digest: str
    qos: list[Qos]


def definition_of(connection: Connection) -> Definition | None:
    """Find a topic's definition: its own, else that of ROS 2 Jazzy; None where there is neither.

    A ROS 1 topic has one where ROS 2 has the same message, field by field.
    """
    kind, recorded = connection.msgtype, connection.msgdef
    if not isinstance(connection.ext, ConnectionExtRosbag2):
        same = kind in ROS1.fielddefs and kind in ROS2.fielddefs
        same = same and is_same_wireformat(ROS1, ROS2, kind, kind)
        return _of_jazzy(kind, []) if same else None
    qos = connection.ext.offered_qos_profiles
    if recorded.format is MessageDefinitionFormat.NONE or not recorded.data:
        return _of_jazzy(kind, qos)  # recorders before Iron wrote none
    digest = connection.digest or _digest(connection)
    return Definition(recorded.data, digest, qos) if digest else None


def _of_jazzy(kind: str, qos: list[Qos]) -> Definition | None:
    if kind not in ROS2.fielddefs:
        return None
    return Definition(ROS2.generate_msgdef(kind, ros_version=2)[0], ROS2.hash_rihs01(kind), qos)


def _digest(connection: Connection) -> str | None:
    """Compute what an MCAP file's channels do not say; None of a definition that is no such."""
    recorded = connection.msgdef
    types = get_typestore(Stores.EMPTY)
    with suppress(Exception):  # the parser has many kinds of errors, and a topic less is no harm
        types.register(
            get_types_from_idl(recorded.data)
            if recorded.format is MessageDefinitionFormat.IDL
            else get_types_from_msg(recorded.data, connection.msgtype)
        )
        return types.hash_rihs01(connection.msgtype)
    return None
