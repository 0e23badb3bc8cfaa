"""Runs SageMaker's jobs (processing, training, transform, tuning) as local processes."""
