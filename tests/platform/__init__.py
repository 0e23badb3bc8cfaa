"""Tests of the scripts and of the training: in this process, without localaws."""
