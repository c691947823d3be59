"""The engine: plans, dispatches, collects, scores."""
