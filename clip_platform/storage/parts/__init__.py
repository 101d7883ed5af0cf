"""Uploads in parts, straight to the object store: what a client may send, and where, without the bytes passing here."""
