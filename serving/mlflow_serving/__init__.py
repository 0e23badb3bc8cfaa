"""Serves an MLflow model: MLflow's scoring server, with a fast path that predicts waiting requests together."""
