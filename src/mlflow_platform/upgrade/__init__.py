"""Moves an environment to another MLflow version."""
