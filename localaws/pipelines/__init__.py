"""Runs SageMaker pipelines: steps become jobs, models and packages, created with the pipeline's role."""
