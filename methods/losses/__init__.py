"""Losses on released networks that only some published recipes use."""
