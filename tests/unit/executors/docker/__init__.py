"""The docker executor and its parts."""
