"""The coordinator client, against a scripted server on loopback."""
