"""Stands for the repository of which the module uploads the backup tool."""
