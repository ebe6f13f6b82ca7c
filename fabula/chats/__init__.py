"""The story: chats as trees of immutable message versions. Knows no HTTP and no engine."""
