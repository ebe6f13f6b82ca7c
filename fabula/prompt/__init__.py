"""Messages to text. Pure: clock, counts and limits are arguments. Knows no engine, database or HTTP."""
