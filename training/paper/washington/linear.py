# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A linear classifier on the same labels, by the frames as they are: what others have to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from mm_perception.scaling import Scaling
from training.evaluation.evaluate import Scores
from training.fitting.climb import UNLABELLED
from training.fitting.fit import TrainingData, check_labels

_STRENGTHS = np.logspace(-4, 4, 9)  # C: the inverse of the regularisation's weight
_FOLDS = 5
_ITERATIONS = 1000


def linear_scores(
    train: TrainingData, test: TrainingData, given: Sequence[str], seed: int
) -> Scores:
    """Learn multinomial logistic regression from the labelled frames, and score it.

    It sees each frame as it is, never a view of it, from which a fit may learn.

    The regularisation is the one with the best log-likelihood in cross-validation over the
    labelled frames; where a class has one only, which nothing can be validated by, C is 1.

    Args:
        train: What to learn from; every class has to have a label.
        test: The labelled frames to score.
        given: The modalities to go by, one after the other in one vector.
        seed: Of the folds.

    Raises:
        TrainingError: A class has no label.

    """
    check_labels(train)
    known = train.labels != UNLABELLED
    labelled = {name: train.features[name][known] for name in given}
    scaling = Scaling({name: values.shape[1] for name, values in labelled.items()})
    scaling.fit(labelled, 'global')  # no modality outweighs the other by its features' size
    seen, unseen = (
        torch.cat([scaling({name: part[name]})[name] for name in given], 1).double().numpy()
        for part in (labelled, test.features)
    )
    labels = train.labels[known].numpy()
    model = LogisticRegression(max_iter=_ITERATIONS)
    folds = min(_FOLDS, int(np.bincount(labels).min()))
    if folds > 1:
        shuffled = StratifiedKFold(folds, shuffle=True, random_state=seed)
        model = GridSearchCV(model, {'C': _STRENGTHS}, scoring='neg_log_loss', cv=shuffled)
    model.fit(seen, labels)
    return Scores(test.labels.numpy(), model.predict_proba(unseen))
