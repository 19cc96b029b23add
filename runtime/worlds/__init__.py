"""The worlds: one protocol, and the live and the recorded implementation of it."""
