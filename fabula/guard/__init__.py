"""The alignment layer that an operator applies. Knows text and policies, not HTTP, chats or engines."""
