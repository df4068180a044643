"""Tests of pyrunner.migration."""
