"""Batch predictions with SageMaker transform jobs: inputs, the job, and its outputs joined with the rows."""
