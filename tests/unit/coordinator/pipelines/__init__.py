"""Tests of the pipeline service."""
