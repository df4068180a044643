"""Transfers between a local cache archive and object storage, within the helper's process."""
