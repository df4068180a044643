"""Tests of pyrunner.jobdir."""
