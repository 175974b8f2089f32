# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The robot's node: wiring only.

Configure reads and checks everything, activate loads to the device and subscribes, deactivate
frees the device. Subscriptions and timers run on the executor's thread. Inference runs on a
worker's, which publishes the label itself: rclpy's publishers may be used from any thread, and a
way back through the executor would put its queue of image callbacks into every label's latency.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn as Return
from rclpy.qos import (
    DurabilityPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from std_srvs.srv import SetBool

from mm_perception.classifier import Classifier
from mm_perception.engines import EngineSettings
from mm_perception.errors import ImageError, SettingsError
from mm_perception.health import NS, HealthSettings
from mm_perception.images import fill_image
from mm_perception.interface import diagnostics, messages, parameters, process
from mm_perception.interface.annotation import annotate
from mm_perception.interface.diagnostics import Inlet, Source, Status
from mm_perception.interface.transitions import AnsweringNode, answers
from mm_perception.objects.detections import DetectionFinder
from mm_perception.objects.finding import ObjectFinder, finder_for
from mm_perception.observation import NO_MODE, Modality
from mm_perception.pairing import PairingSettings
from mm_perception.serving.labelled import Labelled
from mm_perception.serving.pool import ClassifierPool, Share
from mm_perception.serving.request import ClassifierSettings
from mm_perception.serving.watch import Watch
from mm_perception.uncertain.keeper import Keeper

_MOMENT = 0.002  # seconds: a timer that ends just before a deadline would have to be set again
_STOP = 1.0  # seconds that the inference under way has to end before the process ends
_PATIENCE = 5.0  # seconds that it has on deactivate, while the node answers nothing else
_HUNG = 'the inference under way does not end, the device hangs; restart the node'
_THROTTLE = 5.0  # seconds between two log lines about the same trouble
_ROS_OWN = ('use_sim_time', 'qos_overrides.', 'start_type_description_service')


class PerceptionNode(AnsweringNode):
    """Labels what the camera sees, from both of its eyes or from the one that works."""

    def __init__(self, namespace: str = '', pool: ClassifierPool | None = None) -> None:
        """Declare the parameters; the node shares its classifier with others of the pool."""
        # Overrides are declared by rclpy first, so that ours can be checked with the table's own
        # words and the others be named: by itself a misspelt parameter would be ignored.
        overrides = {'automatically_declare_parameters_from_overrides': True}
        super().__init__('mm_perception', namespace=namespace, **overrides)
        self._values: Any = {p.name: self._declare(p) for p in parameters.PARAMETERS}
        for name in self.get_parameters_by_prefix(''):
            if name not in self._values and not name.startswith(_ROS_OWN):
                self.get_logger().warning(f'parameter {name}: {parameters.unknown(name)}')
        self.add_on_set_parameters_callback(self._on_parameters)

        self._pool = pool or ClassifierPool()
        self._share: Share | None = None  # of a classifier, from configure to cleanup
        self._out: dict[str, Any] = {}  # publishers, from configure to cleanup
        self._watch: Watch | None = None  # while active
        self._hung: Watch | None = None  # whose inference did not end, until it does
        self._images: dict[Modality, Any] = {}  # subscriptions, while active
        self._alarm: Any = None  # the timer that rings when a sensor is lost, while active
        self._undo: list[Callable[[], Any]] = []  # on deactivate
        # One each, as a logger throttles by line: one sensor must not silence the other.
        self._logs = {m: self.get_logger().get_child(str(m)) for m in Modality}
        self._mode = ''  # as long as nothing has been said of it
        warn = partial(self.get_logger().warning, throttle_duration_sec=_THROTTLE)
        self._keeper = Keeper(self._values, messages.packed, warn)
        self.create_service(SetBool, '~/save_uncertain', self._keeper.answer)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # Of the steady clock: under a simulated time that stands still these must go on.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._diagnose, clock=self._steady)

    # Lifecycle ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Configure and activate, if the parameter ``autostart`` says so."""
        if self._values['autostart'] and self.trigger_configure() == Return.SUCCESS:
            self.trigger_activate()

    @property
    def state(self) -> str:
        """``unconfigured``, ``inactive``, ``active`` or ``finalized``."""
        if self.label in ('shuttingdown', 'finalized'):
            return 'finalized'
        if self._watch is not None:
            return 'active'
        return 'unconfigured' if self._share is None else 'inactive'

    def refuse(self, why: str) -> None:
        """Log and remember why a transition went wrong, and tell diagnostics."""
        super().refuse(why)
        self._diagnose()

    @answers
    def on_configure(self, state: LifecycleState) -> Return:
        """Read and check everything; nothing is on the device yet."""
        model, given = self._values['model'], self._values['backbone_weights']
        if not model:
            raise SettingsError("parameter model: is empty; set it to a bundle's folder")
        messages.need_detections(self._values['region'])
        engines = parameters.settings_from(EngineSettings, self._values)
        weights = Path(given).expanduser() if given else None
        log = self.get_logger().info
        share = self._pool.share(
            Path(model).expanduser(), self._values['device'], weights, engines, log
        )
        try:
            seeks = self._finder(share.classifier) is not None
            self._keeper.configure()
        except SettingsError:
            share.leave(True)
            raise
        self._offer('object_label', String)
        self._offer('~/prediction', DiagnosticArray)
        kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._offer('~/modality', String, kept)
        self._offer('~/annotated', Image, QoSProfile(depth=1))
        if messages.CLASSIFICATION is not None:
            self._offer('~/classification', messages.CLASSIFICATION)
        if messages.OBJECTS is not None and seeks:
            self._offer('~/objects', messages.OBJECTS)
        self._share, self.refusal = share, None
        self.get_logger().info(f'{len(share.classifier.classes)} classes from {model}')
        return super().on_configure(state)

    @answers
    def on_activate(self, state: LifecycleState) -> Return:
        """Load to the device, warm up, and only then subscribe."""
        share = self._configured()
        if not self._halt(0.0):
            raise SettingsError(_HUNG)
        worker, classifier = share.activate(), share.classifier
        process.share_processors(self._pool.engines)
        if classifier.fault is not None:
            self.get_logger().error(classifier.fault)
        super().on_activate(state)
        finder = self._finder(classifier)
        self._watch = Watch(
            classifier,
            *self._settings(),
            finder,
            worker,
            clock=self._now,
            said=self._publish,
            failed=self._on_fault,
        )
        self._set_mode(NO_MODE)
        for modality in classifier.modalities:
            self._subscribe(modality, self._watch)
        if isinstance(finder, DetectionFinder):
            self._listen(messages.OBJECTS, 'detections', 'best_effort', finder.take)
        self._alarm = self.create_timer(1.0, self._look_up, clock=self._steady)
        self._undo.append(partial(self.destroy_timer, self._alarm))
        self._look_up()
        self.refusal = None
        self.get_logger().info(f'active on {classifier.device}, {classifier.engine}')
        self._diagnose()
        return Return.SUCCESS

    @answers
    def on_deactivate(self, state: LifecycleState) -> Return:
        """Drop the subscriptions and free the device."""
        if not self._halt(_PATIENCE):
            raise RuntimeError(_HUNG)
        self._configured().deactivate()
        self._keeper.finish()
        self._diagnose()
        return super().on_deactivate(state)

    @answers
    def on_cleanup(self, state: LifecycleState) -> Return:
        """Forget the model."""
        self._forget()
        return super().on_cleanup(state)

    @answers
    def on_shutdown(self, state: LifecycleState) -> Return:
        """Stop from any state, for good."""
        self._forget()
        return super().on_shutdown(state)

    @answers
    def on_error(self, state: LifecycleState) -> Return:
        """Go back to unconfigured after a transition went wrong."""
        self._forget()
        return super().on_error(state)

    def _forget(self) -> None:
        """Stop if need be, and forget the model; under an inference that hangs it stays loaded."""
        halted, share, self._share = self._halt(_PATIENCE), self._share, None
        if share is not None:
            share.leave(halted)
        self._keeper.close(_STOP)
        for publisher in self._out.values():
            self.destroy_lifecycle_publisher(publisher)
        self._out, self._mode = {}, ''
        self._diagnose()

    def close(self) -> None:
        """End everything because the process ends."""
        self._halt(_STOP)
        self._keeper.close(_STOP)
        self.destroy_node()

    def _halt(self, patience: float) -> bool:
        """Stop listening and labelling; tell whether inference ended within so many seconds."""
        for undo in self._undo:
            undo()
        self._images, self._undo = {}, []
        if self._hung is not None and self._hung.close(0.0):
            self._hung = None
        if self._watch is not None:
            self._hung = None if self._watch.close(patience) else self._watch
            if rclpy.ok():
                self._set_mode(NO_MODE)
        self._watch = None
        return self._hung is None

    def _configured(self) -> Share:
        if self._share is None:
            raise SettingsError('the node is not configured')
        return self._share

    # Parameters -----------------------------------------------------------------------------------

    def _declare(self, parameter: parameters.Parameter) -> Any:
        name, value = parameter.name, parameter.default
        if self.has_parameter(name):
            value = self.get_parameter(name).value
            self.undeclare_parameter(name)
        value = parameter.check(value)
        descriptor = messages.parameter_descriptor(parameter)
        self.declare_parameter(name, value, descriptor, ignore_override=True)
        return value

    def _on_parameters(self, changes: list[Any]) -> SetParametersResult:
        ours = {c.name: c.value for c in changes if c.name in ('', *self._values)}  # rclpy takes ''
        try:
            self._values = parameters.changed(self._values, ours, self.state)
        except SettingsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._keeper.adjust(self._values)
        if self._watch is not None:
            self._watch.adjust(*self._settings())
        return SetParametersResult(successful=True)

    def _settings(self) -> tuple[HealthSettings, PairingSettings, ClassifierSettings]:
        return (
            parameters.settings_from(HealthSettings, self._values),
            parameters.settings_from(PairingSettings, self._values),
            parameters.settings_from(ClassifierSettings, self._values),
        )

    def _finder(self, classifier: Classifier) -> ObjectFinder | DetectionFinder | None:
        region = classifier.pipeline.settings.region
        if self._values['region'] == 'detections':
            limits = self._values['detections_age'], self._values['slop']
            return DetectionFinder(*limits, self._now, region.tabletop)
        return finder_for(self._values['region'], region, classifier.modalities)

    # In -------------------------------------------------------------------------------------------

    def _subscribe(self, modality: Modality, watch: Watch) -> None:
        transport = self._values[f'{modality}_transport']
        topic, kind = f'{modality}/image', Image
        if transport != 'raw':  # as image_transport does: the suffix comes after remapping
            topic, kind = f'{self.resolve_topic_name(topic)}/{transport}', CompressedImage
        seen, known = partial(self._on_image, modality), partial(watch.know, modality)
        images = self._listen(kind, topic, self._values['reliability'], seen)
        info = self._listen(CameraInfo, f'{modality}/camera_info', 'best_effort', known)
        self._images[modality] = images
        self._keeper.hears(modality, images.topic_name, info.topic_name)

    def _listen(self, kind: Any, topic: str, reliability: str, heard: Callable[[Any], None]) -> Any:
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[reliability.upper()])
        subscription = self.create_subscription(kind, topic, heard, qos)
        self._undo.append(partial(self.destroy_subscription, subscription))
        return subscription

    def _on_image(self, modality: Modality, message: Any) -> None:
        if self._watch is None:
            return
        try:
            self._watch.see(modality, message)
        except ImageError as error:
            self._logs[modality].warning(str(error), throttle_duration_sec=_THROTTLE)
        self._look_up()

    def _look_up(self) -> None:
        """See whether a sensor is lost or back, and when to look up next if no image comes."""
        if self._watch is None:
            return
        mode, rest = self._watch.poll(), self._watch.rest()
        self._alarm.cancel()
        if rest is not None:
            self._alarm.timer_period_ns = round((rest + _MOMENT) * NS)
            self._alarm.reset()
        if mode != self._mode:
            self.get_logger().info(f'mode {self._mode} -> {mode} {self._watch.lost()}'.rstrip())
            self._set_mode(mode)
            self._diagnose()

    def _now(self) -> int:
        now: int = self.get_clock().now().nanoseconds
        return now

    # Out ------------------------------------------------------------------------------------------

    def _offer(self, topic: str, kind: Any, qos: QoSProfile | int = 10) -> None:
        self._out[topic] = self.create_lifecycle_publisher(kind, topic, qos)

    def _set_mode(self, mode: str) -> None:
        if mode != self._mode:
            self._mode = mode
            self._out['~/modality'].publish(String(data=mode))

    def _publish(self, labelled: Labelled) -> None:
        """Say what was found; the worker's thread runs this."""
        if self._watch is None:
            return  # a hung inference ended after all, when nobody wants its label any more
        if labelled.prediction is not None:
            self._out['object_label'].publish(String(data=labelled.prediction.label))
        if self._out['~/prediction'].get_subscription_count():
            message = messages.prediction_message(self.get_fully_qualified_name(), labelled)
            self._out['~/prediction'].publish(message)
        if messages.CLASSIFICATION is not None and labelled.prediction is not None:
            self._out['~/classification'].publish(messages.classification_message(labelled))
        if '~/objects' in self._out:
            self._out['~/objects'].publish(messages.objects_message(labelled))
        if self._out['~/annotated'].get_subscription_count():
            region = self._configured().classifier.pipeline.settings.region
            picture = Image(header=messages.header_of(labelled))
            drawn = annotate(labelled.used, region, labelled.prediction, labelled.objects)
            fill_image(picture, drawn, 'rgb8')
            self._out['~/annotated'].publish(picture)
        self._keeper.consider(labelled)

    def _on_fault(self, error: Exception) -> None:
        """Say that an observation got no label; the worker's thread runs this."""
        if rclpy.ok():  # else the process ends, and that nothing can be published is no fault
            why = f'no label: {type(error).__name__}: {error}'
            self.get_logger().error(why, throttle_duration_sec=_THROTTLE)

    def _diagnose(self) -> None:
        name, statuses = self.get_fully_qualified_name(), self._statuses()
        self._diagnostics.publish(messages.diagnostics_message(name, self._now(), statuses))

    def _statuses(self) -> list[Status]:
        classifier, watch = self._share and self._share.classifier, self._watch
        known = classifier.modalities if classifier else tuple(Modality)
        if watch is None or not self._images:
            watched = [diagnostics.unsubscribed_status(m, self.state) for m in known]
        else:
            watched = watch.statuses({m: self._inlet(s) for m, s in self._images.items()})
        classes = len(classifier.classes) if classifier else 0
        model, fault = self._values['model'], watch.fault if watch else None
        device = str(classifier.device) if classifier and watch else None
        fallback, engine = (classifier.fault, classifier.engine) if classifier else (None, '')
        return [
            *watched,
            diagnostics.model_status(self.state, model, classes, self.refusal, fault),
            diagnostics.device_status(device, engine, fallback),
            *self._keeper.statuses(),
        ]

    def _inlet(self, subscription: Any) -> Inlet:
        """Look up who publishes what we subscribed to, and whether it can reach us."""
        sources = []
        for end in self.get_publishers_info_by_topic(subscription.topic_name):
            fits, reason = qos_check_compatible(end.qos_profile, subscription.qos_profile)
            node = f'{end.node_namespace.rstrip("/")}/{end.node_name}'
            mismatch = reason if fits == QoSCompatibility.ERROR else ''
            sources.append(Source(node, end.topic_type, mismatch))
        kind = f'sensor_msgs/msg/{subscription.msg_type.__name__}'
        return Inlet(subscription.topic_name, kind, sources)


def main() -> None:
    """Run the node, or one for each camera, as a process of its own."""
    process.main(PerceptionNode)


if __name__ == '__main__':
    main()
