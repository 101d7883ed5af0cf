"""The reference client: uploads that survive bad networks, live progress, clips. `Client(api_url, token)` is the door.

Knows the API's HTTP only, and imports nothing of the server.
"""

from clip_platform.client.calls import API_TOKEN_VARIABLE
from clip_platform.client.door import Client

__all__ = ["API_TOKEN_VARIABLE", "Client"]
