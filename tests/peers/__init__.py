"""Real servers that speak the platform's protocols: Ceph's S3, Microsoft's Azure emulator, Redis."""
