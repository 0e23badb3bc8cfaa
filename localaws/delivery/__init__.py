"""Runs CodePipeline pipelines: a push to a local git repository starts sources, builds and approvals."""
