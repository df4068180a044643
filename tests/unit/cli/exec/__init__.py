"""Tests of `exec`."""
