"""Upgrades an environment to another MLflow version."""
