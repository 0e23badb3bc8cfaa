"""Runs CodeBuild builds as local processes, under the project's service role."""
