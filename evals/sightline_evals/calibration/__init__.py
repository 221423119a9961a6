"""Calibration: a judge's probabilities against labels of the user's own answers."""
