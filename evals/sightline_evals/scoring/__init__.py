"""Metrics behind one Score type; `scoring.scorer` has the workers that compute them."""

from sightline_evals.scoring.metrics import METRICS, Metric, default_gated_metric, default_metrics, metric_of
from sightline_evals.scoring.scores import SampleScore, Score, Statement

__all__ = [
    "METRICS",
    "Metric",
    "SampleScore",
    "Score",
    "Statement",
    "default_gated_metric",
    "default_metrics",
    "metric_of",
]
