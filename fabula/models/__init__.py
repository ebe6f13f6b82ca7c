"""Models on this machine and where to get more of them. Knows no engine, no database and no HTTP route."""
