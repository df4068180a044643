"""Tests of pyrunner.doctor."""
