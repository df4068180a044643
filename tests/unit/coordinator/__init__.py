"""Tests of the coordinator's parts."""
