"""Ours beside the best practice: every figure is a ratio, measured in one run on one machine."""
