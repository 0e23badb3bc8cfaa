"""Pipelines on localaws."""
