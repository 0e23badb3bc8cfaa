"""Runs an MLflow project as a SageMaker pipeline."""
