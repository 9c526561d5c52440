"""`bench restore`: a user's own images, of any size and type."""
