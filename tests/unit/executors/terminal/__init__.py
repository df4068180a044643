"""Tests of the process that serves one terminal."""
