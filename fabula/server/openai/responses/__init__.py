"""OpenAI's responses, stateless: each request holds the whole conversation. Knows no other dialect."""
