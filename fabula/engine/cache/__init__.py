"""What the engine has read once and need not read again: slots in memory, states in kv/. Knows no engine."""
