"""Tests of the runner manager."""
