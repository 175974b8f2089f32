# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Lifecycle transitions and services that say why they went wrong, whoever asked for them."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.impl.implementation_singleton import rclpy_implementation as ros
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from mm_perception.errors import MMPerceptionError

_Node = TypeVar('_Node', bound='AnsweringNode')
_Service = Callable[[Any, Any], Any]
_Transition = Callable[[_Node, LifecycleState], TransitionCallbackReturn]


_THROTTLE = 5.0  # seconds between two log lines about requests that are refused


def answers(transition: _Transition[_Node]) -> _Transition[_Node]:
    """Make a transition log its exceptions: rclpy swallows them, the cause with them."""

    @wraps(transition)
    def answering(node: _Node, state: LifecycleState) -> TransitionCallbackReturn:
        name = transition.__name__.removeprefix('on_')
        node.in_transition = threading.get_ident()
        try:
            if node.interrupted:
                node.interrupt()
            return transition(node, state)
        except MMPerceptionError as error:
            node.refuse(f'{name} refused: {error}')
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # noqa: BLE001 - a bug or a driver's fault: error processing
            node.refuse(f'{name} failed: {type(error).__name__}: {error}')
            node.get_logger().error(traceback.format_exc())
            return TransitionCallbackReturn.ERROR
        finally:
            node.in_transition = None

    return answering


class AnsweringNode(LifecycleNode):  # type: ignore[misc] # rclpy is not typed
    """A node whose transitions answer, the impossible ones, too, and that no request ends."""

    refusal: str | None = None
    """Why the last transition went wrong."""
    in_transition: int | None = None
    """The thread that a transition is under way on."""
    interrupted: bool = False

    def interrupt(self) -> None:
        """Let no transition begin any more; called by a signal's handler, break one off.

        A model takes seconds to load, and nothing else here does. Anywhere else an exception out of
        a handler might strike where Python can only print it, as in a destructor.

        Raises:
            KeyboardInterrupt: A transition is under way on this thread.

        """
        self.interrupted = True
        if self.in_transition == threading.get_ident():
            raise KeyboardInterrupt

    def refuse(self, why: str) -> None:
        """Log and remember why a transition went wrong."""
        self.refusal = why
        self.get_logger().error(why)

    @property
    def label(self) -> str:
        """What rclpy calls the state, ``configuring`` and the like among them."""
        label: str = self._state_machine.current_state[1]  # rclpy tells it to services alone
        return label

    def create_service(self, kind: Any, name: str, callback: _Service, **settings: Any) -> Any:
        """Create a service, as rclpy does, that refuses what its callback cannot bear.

        rclpy's own services of parameters are among them: a parameter of a type that there is not
        would end the process.
        """

        @wraps(callback)
        def surviving(request: Any, response: Any) -> Any:
            try:
                return callback(request, response)
            except Exception as error:  # noqa: BLE001 - whatever anybody on the network sends
                why = f'{type(error).__name__}: {error}'
                self.get_logger().error(f'{name} refused: {why}', throttle_duration_sec=_THROTTLE)
                return _refusal(request, response, why)

        return super().create_service(kind, name, surviving, **settings)

    # rclpy's private method is overridden: before Kilted an illegal request ends the process.
    def _LifecycleNodeMixin__on_change_state(self, request: Any, response: Any) -> Any:  # noqa: N802 - rclpy's name
        try:
            return super()._LifecycleNodeMixin__on_change_state(request, response)
        except ros.RCLError:
            asked = request.transition.label or request.transition.id
            self.get_logger().error(f'transition {asked}: not possible, the node is {self.label}')
            response.success = False
            return response


def _refusal(request: Any, response: Any, why: str) -> Any:
    """Answer with the reason where the service has a place for it, for whatever was not done."""
    if isinstance(response, SetParametersAtomically.Response):
        response.result = SetParametersResult(reason=why)
    elif isinstance(response, SetParameters.Response):
        left = len(request.parameters) - len(response.results)
        response.results = [*response.results, *[SetParametersResult(reason=why)] * left]
    return response
