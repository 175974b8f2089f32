# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The usual way to write such a node, which ours is measured against: ``usual_node.py BUNDLE``.

Two subscriptions with a queue of ten each, paired as message_filters' approximate synchronizer does
it in Python, images converted as cv_bridge does, and one callback that does everything with torch
as it comes. The networks and the weights are the bundle's own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String

from mm_perception.bundle import Bundle
from mm_perception.images import stamp_of
from mm_perception.observation import Modality
from mm_perception.pipeline import Pipeline

_SLOP = 50_000_000  # ns
_QUEUE = 10
_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
_STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


class UsualNode(Node):  # type: ignore[misc] # rclpy is not typed
    """Labels pairs, as long as both images come."""

    def __init__(self, path: Path) -> None:
        super().__init__('usual_node')
        bundle = Bundle.load(path)
        pipeline = Pipeline(bundle.manifest.pipeline, bundle.backbone_weights)
        self.head, self.classes = bundle.head, bundle.manifest.classes
        # As users build it: contiguous, as torchvision gives it.
        self.networks = {
            m: b.network.to(memory_format=torch.contiguous_format)
            for m, b in pipeline.backbones.items()
        }
        self.size = bundle.manifest.pipeline.preprocessing.size
        self.queues: dict[str, dict[int, Any]] = {'rgb': {}, 'depth': {}}
        qos = QoSProfile(depth=_QUEUE, reliability=ReliabilityPolicy.BEST_EFFORT)
        for name in self.queues:
            self.create_subscription(
                Image, f'/{name}/image', lambda m, name=name: self.add(name, m), qos
            )
        self.label = self.create_publisher(String, '/object_label', 10)
        self.prediction = self.create_publisher(DiagnosticArray, '/usual_node/prediction', 10)

    def add(self, name: str, message: Any) -> None:
        """Queue a message, and hand the pair over that it completes."""
        own, other = self.queues[name], self.queues['depth' if name == 'rgb' else 'rgb']
        own[stamp_of(message)] = message
        while len(own) > _QUEUE:
            own.pop(min(own))
        pairs = [(abs(a - b), a, b) for a in own for b in other if abs(a - b) <= _SLOP]
        for _, a, b in sorted(pairs):
            if a in own and b in other:
                one, two = own.pop(a), other.pop(b)
                self.classify(*((one, two) if name == 'rgb' else (two, one)))

    def classify(self, rgb: Any, depth: Any) -> None:
        """Do everything."""
        colour = np.ndarray((rgb.height, rgb.width, 3), np.uint8, bytes(rgb.data)).copy()
        raw = np.ndarray((depth.height, depth.width), np.uint16, bytes(depth.data)).copy()
        metres = raw.astype(np.float32) / 1000
        near, far = metres[metres > 0].min(), metres.max()
        levels = (255 * (far - metres) / (far - near)).clip(0, 255).astype(np.uint8)
        jet = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)
        features = {}
        with torch.no_grad():
            for modality, picture in ((Modality.RGB, colour), (Modality.DEPTH, jet)):
                small = cv2.resize(picture, (self.size, self.size))
                x = torch.from_numpy(small.transpose(2, 0, 1).copy()).float() / 255
                x = ((x - _MEAN) / _STD).unsqueeze(0)
                values = self.networks[modality](x)['features']
                if values.ndim > 2:
                    values = torch.nn.functional.adaptive_avg_pool2d(values, 1)
                features[str(modality)] = values.flatten(1)
            scores = self.head.model.probabilities(self.head.scaling(features))[0]
        label = self.classes[int(scores.argmax())]
        self.label.publish(String(data=label))
        values = [KeyValue(key='rgb_stamp', value=str(stamp_of(rgb)))]
        values.append(KeyValue(key='depth_stamp', value=str(stamp_of(depth))))
        status = DiagnosticStatus(name='prediction', message=label, values=values)
        self.prediction.publish(DiagnosticArray(status=[status]))


def main() -> None:
    """Run until it is ended."""
    rclpy.init()
    node = UsualNode(Path(sys.argv[1]))
    sys.stdout.write('active on cpu\n')
    sys.stdout.flush()
    rclpy.spin(node)


if __name__ == '__main__':
    main()
